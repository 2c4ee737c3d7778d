#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The table and the last lines of bench/run.sh for known networks, from made times."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench", "peers"))
import networks


class Runner:
    def __init__(self, build):
        self.build = build


class NetworksTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for venv in ("onnxruntime", "torch"):
            os.makedirs(os.path.join(folder.name, "venv", venv))
            open(os.path.join(folder.name, "venv", venv, "complete"), "w").close()
        self.known = networks.Networks(Runner(folder.name), ["onnxruntime", "openvino", "pytorch"], print)

    def add(self, peer, network, batch, *ms, job="infer"):
        self.known.results[peer, job, network, batch, 2] = list(ms)

    def test_a_peer_that_is_not_installed_is_missing(self):
        self.assertEqual(self.known.peers, ["onnxruntime", "pytorch"])
        self.assertIn("- MISSING: openvino: not installed", self.known.table())

    def test_ratios_are_of_medians_to_the_best_peer(self):
        self.add("strata", "lenet", 1, 3.0, 1.0, 2.0)
        self.add("onnxruntime", "lenet", 1, 4.0)
        self.add("pytorch", "lenet", 1, 10.0)
        self.add("strata", "vgg16", 1, 8.0)
        self.add("pytorch", "vgg16", 1, 4.0)
        self.add("strata", "lenet", 64, 2.0, job="train")
        self.add("pytorch", "lenet", 64, 5.0, job="train")
        self.assertEqual(self.known.ratio("infer", "lenet", 1, 2), 2.0)
        self.assertEqual(self.known.ratio("infer", "vgg16", 1, 2), 0.5)
        self.assertEqual(self.known.summary(), ["networks infer1 strata/best-peer geomean 1.00 least 0.50 vgg16",
                                                "networks infer32 strata/best-peer nan",
                                                "networks train strata/best-peer geomean 2.50 least 2.50 lenet",
                                                "bf16 train strata/best-peer nan"])
        self.assertIn("| infer | lenet | 1 | 2 | 2 | 4 | 10 | 2.00 |", self.known.table())
        self.assertIn("| train | lenet | 64 | 2 | 2 | - | 5 | 2.50 |", self.known.table())

    def test_bfloat16_is_measured_where_the_processor_has_it(self):
        for flags, jobs in (["avx2"], ["infer", "train"]), (["avx512_bf16"], ["infer", "train", "bf16"]):
            known = networks.Networks(self.known.runner, ["pytorch"], print, flags)
            self.assertEqual(known.jobs, jobs)

    def test_a_network_without_peers_has_no_ratio(self):
        self.add("strata", "lenet", 32, 3.0)
        self.assertIsNone(self.known.ratio("infer", "lenet", 32, 2))
        self.assertIn("| infer | lenet | 32 | 2 | 3 | - | - | - |", self.known.table())


unittest.main()
