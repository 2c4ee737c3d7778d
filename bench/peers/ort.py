# SPDX-License-Identifier: BSL-1.0
"""ONNX Runtime, inference alone, on the model that onnx_model.py wrote."""
import peer

o = peer.options()

import onnxruntime as rt  # noqa: E402


class OnnxRuntime:
    def __init__(self, data, batch, training, dropout):
        options = rt.SessionOptions()
        options.intra_op_num_threads = o.threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = rt.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_free_dimension_override_by_name("n", batch)
        self.session = rt.InferenceSession(o.data + "/alexnet.onnx", options, providers=["CPUExecutionProvider"])
        images = data.images_nchw()
        self.images = [images[i:i + batch] for i in range(0, len(images), batch)]
        self.count = sum(w.size + b.size for w, b in data.weights)

    def parameters(self):
        return self.count

    def predict(self, i):
        return self.session.run(None, {"images": self.images[i]})[0]


peer.main("onnxruntime", rt.__version__, OnnxRuntime, o)
