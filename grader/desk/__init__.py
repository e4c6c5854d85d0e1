"""The marking desk: a local web page for TAs on one results folder.

Pages are rendered by Jinja2, and every change is an ordinary form, so all works without a script too. The one
script is our own, some lines for keys and for what is looked at again while a run is at work. It is there
instead of htmx: what TAs need most, the keys, would have been ours to write all the same, and attributes that
make any element send requests are one more thing that a student's text must never become.
"""
