# SPDX-License-Identifier: BSL-1.0
"""OpenVINO, inference alone, on the model that onnx_model.py wrote; float32, whatever the processor offers below it."""
import peer

o = peer.options()

import openvino as ov  # noqa: E402


class OpenVino:
    def __init__(self, data, batch, training, dropout):
        model = ov.Core().read_model(o.data + "/alexnet.onnx")
        model.reshape([batch, 3, 32, 32])
        self.count = sum(int(n.get_data().size) for n in model.get_ops()
                         if n.get_type_name() == "Constant" and n.get_data().dtype == "float32" and n.get_data().size > 1)
        self.compiled = ov.Core().compile_model(model, "CPU", {
            "INFERENCE_NUM_THREADS": o.threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32"})
        self.request = self.compiled.create_infer_request()
        images = data.images_nchw()
        self.images = [ov.Tensor(images[i:i + batch].copy()) for i in range(0, len(images), batch)]

    def parameters(self):
        return self.count

    def predict(self, i):
        self.request.infer([self.images[i]], share_inputs=True)
        return self.request.get_output_tensor().data


peer.main("openvino", ov.__version__.split("-")[0], OpenVino, o)
