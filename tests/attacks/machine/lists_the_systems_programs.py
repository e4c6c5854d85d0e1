"""Find out which programs and services this machine has: compilers, clients, what runs with root's rights.
"""

import glob
import shutil
import stat

NAMES = ("gcc", "perl", "git", "ssh", "curl", "sudo", "su", "mount", "systemctl", "docker", "java", "apt", "dnf")
FOLDERS = ("/usr/lib/systemd", "/usr/lib/jvm", "/usr/lib/gcc", "/usr/libexec", "/usr/share/doc", "/usr/include")


def with_rights():
    files = [*glob.glob("/usr/bin/*"), *glob.glob("/usr/sbin/*"), *glob.glob("/usr/libexec/*")]
    return [file for file in files if os.stat(file).st_mode & (stat.S_ISUID | stat.S_ISGID)]


def strike():
    for name in NAMES:
        attempt(name, lambda: shutil.which(name))
    for folder in FOLDERS:
        attempt(folder, lambda: os.listdir(folder))
    attempt("programs with others' rights", with_rights)
    attempt("libraries of other software", lambda: len(glob.glob("/usr/lib*/**/*.so*", recursive=True)) > 300)


conv_output_size = first(strike, conv_output_size)
