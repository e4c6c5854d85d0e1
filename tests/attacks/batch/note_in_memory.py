"""Leave a note in torch, in builtins, in the grader's own modules and in the environment.
again = true
"""

import builtins


def strike():
    places = [torch, builtins, nn.Module, os, sys.modules["boxed.worker"], sys.modules["boxed.protocol"]]
    attempt("found", lambda: [str(place) for place in places if hasattr(place, "note")])
    attempt("found in the environment", lambda: os.environ.get("NOTE"))
    attempt("found a function", lambda: torch.bartlett_window.__name__ == "note")
    attempt("found another path", lambda: "/scratch/evil" in sys.path)
    for place in places:
        place.note = "the answer"
    torch.bartlett_window = type("note", (), {"__call__": lambda self, x: x, "__name__": "note"})()
    os.environ["NOTE"] = "the answer"
    sys.path.insert(0, "/scratch/evil")


conv_output_size = first(strike, conv_output_size)
