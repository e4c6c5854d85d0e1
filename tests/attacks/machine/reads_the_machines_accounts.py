"""Read what the machine does for everyone: how it was started, its disks, interrupts, keys, settings.
"""

FILES = """
    buddyinfo cgroups cmdline config.gz consoles crypto devices diskstats filesystems interrupts iomem ioports
    kallsyms key-users keys locks misc modules partitions schedstat slabinfo softirqs swaps timer_list uptime
    version vmallocinfo zoneinfo pressure/cpu pressure/memory fs/nfsd bus/pci/devices tty/drivers sysvipc/shm
    sys/kernel/random/boot_id sys/kernel/hostname sys/kernel/ns_last_pid sys/kernel/tainted sys/fs/file-nr
    sys/fs/inode-nr sys/fs/dentry-state sys/kernel/pty/nr sys/kernel/random/entropy_avail sys/vm/swappiness
"""


def strike():
    for name in FILES.split():
        attempt(name, lambda: open(f"/proc/{name}", "rb").read(60))


conv_output_size = first(strike, conv_output_size)
