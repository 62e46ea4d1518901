# SPDX-License-Identifier: Apache-2.0
"""Keys that programs get wrong."""

PIECES = [
    "two  blanks", "plus+plus", "100%", "%2F", "%zz", "what?", "a#b", "a&b=c;d", "quote'\"", "back\\slash",
    "ümlaut", "e\u0301", "日本語", "עברית", "🦜🦜", "\U0010ffff", "<xml>&amp;", "star*[a]", "{curly}|^`~", "a:b@c,d$e!",
    "(paren)", "tilde~", "trailing ", " leading", "dot.", "...", "under_score-dash", "\u00a0nbsp", "ﬁ", "ſ",
]
WHOLE = ["plain", "a//b", "a///b", "/leading", "//two", "folder/", "/", "x/./y/z", "k" * 1024, "ü" * 512, "日" * 341 + "x"]


def odd_keys(count=2500):
    """`count` keys, sorted by bytes as S3 lists them."""
    keys = set(WHOLE)
    i = 0
    while len(keys) < count:
        keys.add(f"{PIECES[i % len(PIECES)]}/{i % 7}/{PIECES[i // 7 % len(PIECES)]}{i}")
        i += 1
    return sorted(keys, key=lambda key: key.encode())


def path_keys(count=2500):
    """The same, but only names that a path can carry: no empty or dot segments, no trailing slash."""
    return [
        key
        for key in odd_keys(count)
        if all(part not in ("", ".", "..") and len(part.encode()) <= 255 for part in key.split("/"))
    ]
