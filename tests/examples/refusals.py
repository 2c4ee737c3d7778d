# SPDX-License-Identifier: BSL-1.0
"""What the examples say when they refuse their options or fail."""


def check(test, result, code, says):
    """Exit code `code` and each of the texts `says` on stderr: one line, and the hint at --help after wrong options."""
    test.assertEqual(result.returncode, code, result.stderr)
    for part in says:
        test.assertIn(part, result.stderr)
    test.assertEqual(len(result.stderr.strip().splitlines()), 2 if code == 2 else 1, result.stderr)
