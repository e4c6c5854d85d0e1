"""Print what would act on a terminal, a web page, a spreadsheet and a right-to-left reader.
says = ["=cmd"]
"""


def strike():
    attempted()
    print("\x1b[2J\x1b]0;title\x07\x9b31m\x1bP+q544e\x1b\\ \u202egnp.exe\u2066 \x00\x08\x7f", flush=True)
    print("=cmd|'/c calc'!A1 <script>alert(1)</script> \ud800", flush=True)


conv_output_size = first(strike, conv_output_size)
