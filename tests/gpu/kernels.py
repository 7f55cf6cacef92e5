"""What vLLM's own process knows of its model: an extension of its worker, told by name."""


class Kernels:
    """Added to vLLM's worker (`worker_extension_cls`)."""

    def linear_kernels(self):
        """The kernels that multiply with quantised weights, by their class names."""
        methods = (getattr(one, "quant_method", None) for one in self.get_model().modules())
        kernels = (getattr(one, "kernel", None) for one in methods)
        return sorted({type(one).__name__ for one in kernels if one is not None})
