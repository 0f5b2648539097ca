"""Recognise stack frames by their form. They are removed, so that a template does not depend on the call path.

Here: the frames of each language, in a message whose digits are all 0. All other values: `patterns/masks.py`.

Lines that say what went wrong ("Caused by: ...", "ValueError: ...") stay, as do all others. Every expression runs in
linear time: each alternative begins with a newline, and the rest is possessive.
"""

from __future__ import annotations

import re

FRAME = re.compile(
    rb"""
    \n[ \t]++(?:at|from|\.\.\.)[ ][^\n]*+  # Java, JavaScript, .NET; the file of a Rust frame
  | \n[ \t]++File[ ]"[^\n]*+(?:\n[ ]{3,}+[^\n]*+)*+  # Python
  | \n[ ]++\|[ ]++File[ ]"[^\n]*+(?:\n[ ]++\|[ ]{3,}+[^\n]*+)*+  # Python's groups of exceptions
  | \n[ \t]*+(?:from[ ])?(?:[\w-]++[ ]\([^\s()]++\)[ ])?[^\s:]++:0++:in[ ][`'"][^\n]*+  # Ruby, also in a gem
  | \n[ \t]*+\#0++[ ](?:\{main\}|\[internal[^\n]*+|[^\s(]++\(0++\):[^\n]*+)  # PHP
  | \n[ \t]*+\#0++[ ]++[^\n(]++\([^()\n]++(?<=:0|00)\)|\n<asynchronous[^\n]*+  # Dart
  | \n[ \t]*+\#0++[ ]++(?:0x[0-9a-f]++[ ]in[ ]|(?>[^\n(]++)\((?>[^\n]*?\)[ ]at[ ]))[^\n]*+  # gdb, sanitizers
  | \n(?:[Ss]tack[ ](?:back)?trace(?:back)?|Stacktrace):(?:\n[ \t]++[^\n]*+)++  # Rust, Lua, Julia
  | \n[ ]++0++:[ ]++(?=0x[0-9a-f]++[ ]-|<|\w++::|\w*_|\S++\n[ ]++at[ ])[^\n]*+  # Rust; not a list of causes
  | \n[ \t]++(?:\([^()\n]++\)[ ])?[^\s:]++:0++:[ ][^\s(/]++(?:\(|/0)[^\n]*+  # Elixir
  | \n[ \t]++(?>[^\n]*?\bcalled[ ]at[ ])(?>[^\n]*?[ ]line[ ])0[^\n]*+  # Perl
  | \n[ ]++[\w.']++,[ ]called[ ]at[ ][^\n]*+  # Haskell
  | \n[ ]++in[ ](?:function|call[ ]from)[ ][^\n]*+  # Erlang
  | \n(?:Raised[ ]at|Re-raised[ ]at|Called[ ]from)[ ][^\n]*+  # OCaml
  | \n[\w$./<>*\[\]]*+@(?:https?|file|webpack|capacitor|moz-extension)\S*:0++:0++(?=\n|$)  # Firefox, Safari
  | \n[ ]{4}in[ ]\S++[ ]\((?:at|created[ ]by)[ ][^\n]*+  # React
  | \nORA-00000:[ ]at[ ][^\n]*+  # PL/SQL
  | \n(?:CONTEXT:[ ]++)?PL/pgSQL[ ]function[ ][^\n]*+|\n(?:CONTEXT:[ ]++)?SQL[ ](?:statement|function)[ ]"[^\n]*+
  | \n==0++==[ ]++(?:at|by)[ ]0x[^\n]*+  # Valgrind
  | \n[^\s(]++\([^\s()]*+\)[ ]?\[0x[0-9a-f]++\]|\n[ ]++@[ ]++0x[0-9a-f]++[^\n]*+  # glibc, Abseil
  | \n0++[ ]++\S++[ ]++0x[0-9a-f]++[ ][^\n]*+  # Swift, Objective-C
  | \n[ \t]*+---[ ]End[ ]of[ ][^\n]*+  # .NET: where one part of a trace ends
  | \n[^\s][^\n]*+\n\t[^\s:]++:0++(?:[ ]\+0[^\n]*+)?(?=\n|$)  # Go: a function, and the line of a file below it
  | \n[^\s][^\n]*+\n\t/[^\n]*+
  | \nexit[ ]status[ ]0++(?=\n|$)  # what `go run` adds
    """,
    re.VERBOSE,
)
