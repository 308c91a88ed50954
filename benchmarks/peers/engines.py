"""Engines by name: each gives a function from an input to probabilities, `[1, 1, z, y, x]`."""


def onnx_runtime(path, threads, _):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda volume: session.run(["probability"], {"input": volume})[0]


def openvino(precision):
    def load(path, threads, folder):
        import openvino as ov

        core = ov.Core()
        settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        # The precision must be asked for: on a CPU with bf16, `latency` may choose it by itself.
        settings["INFERENCE_PRECISION_HINT"] = "bf16" if precision == "bf16" else "f32"
        model = f"{folder}/int8.xml" if precision == "int8" else path
        compiled = core.compile_model(model, "CPU", settings)
        request = compiled.create_infer_request()
        return lambda volume: request.infer({0: volume})[compiled.output(0)]

    return load


def pytorch(precision):
    def load(path, threads, _):
        import torch

        from onnx_in_torch import Network

        torch.set_num_threads(threads)
        network = Network(path).eval()

        def run(volume):
            enabled = precision == "bf16"
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                return network(torch.from_numpy(volume)).float().numpy()

        return run

    return load


ENGINES = {
    "OpenVINO bf16": openvino("bf16"),
    "OpenVINO fp32": openvino("fp32"),
    "OpenVINO int8": openvino("int8"),
    "ONNX Runtime fp32": onnx_runtime,
    "PyTorch eager fp32": pytorch("fp32"),
    "PyTorch eager bf16": pytorch("bf16"),
}


def quantise(path, folder, volumes):
    """OpenVINO's int8 form, calibrated by NNCF on real inputs."""
    import nncf
    import openvino as ov

    model = ov.Core().read_model(path)
    data = nncf.Dataset(volumes, lambda volume: {0: volume})
    quantised = nncf.quantize(model, data, subset_size=len(volumes))
    ov.save_model(quantised, f"{folder}/int8.xml", compress_to_fp16=False)
