//! The engine, and a network on it to run or to train.

use std::fmt::Display;
use std::sync::OnceLock;

use burn_tensor::activation::sigmoid;
use burn_tensor::{Device, Tensor, TensorData, Transaction};
use haema_nn::{
    DropoutSeed, Engine, EngineError, Learner, NetSpec, Parameters, Predictor, SpecError,
    TrainingPrecision,
};

use crate::Adapters;
use crate::network::{Missing, Network, Weights};
use crate::ops::Activations;

/// A device that burn runs on.
#[derive(Debug, Clone)]
pub(crate) struct Gpu {
    device: Device,
    name: String,
    is_software: bool,
}

impl Gpu {
    /// The device; opened once in a process, because burn allows no second time.
    pub(crate) fn open(adapters: Adapters) -> Result<Self, EngineError> {
        static OPENED: OnceLock<Result<Gpu, String>> = OnceLock::new();
        let opened = OPENED.get_or_init(Self::find).clone();
        let opened = opened.and_then(|gpu| match adapters {
            Adapters::Hardware if gpu.is_software => Err(format!(
                "all there is, {}, computes on the processor, far slower than haema's own kernels \
                 (CUBECL_WGPU_DEFAULT_DEVICE=Cpu takes it all the same)",
                gpu.name
            )),
            _ => Ok(gpu),
        });
        opened.map_err(|reason| EngineError::NoDevice { reason })
    }

    #[cfg(feature = "cuda")]
    fn find() -> Result<Self, String> {
        let device = Device::cuda(burn_tensor::DeviceIndex::Default);
        device.sync().map_err(|error| error.to_string())?;
        Ok(Self { device, name: "CUDA device 0".to_owned(), is_software: false })
    }

    #[cfg(not(feature = "cuda"))]
    fn find() -> Result<Self, String> {
        let opened = Device::wgpu_options().init_with_setup();
        let (device, setup) = opened.map_err(|error| error.to_string())?;
        let info = setup.adapter.get_info();
        let is_software = info.device_type == burn_tensor::wgpu::wgpu::DeviceType::Cpu;
        let name = format!("{} ({})", info.name, info.backend);
        Ok(Self { device, name, is_software })
    }

    fn failed(&self, reason: impl Display) -> EngineError {
        EngineError::Device { device: self.name.clone(), reason: reason.to_string() }
    }

    fn missing(&self, what: String) -> EngineError {
        EngineError::Missing { what, device: self.name.clone() }
    }

    fn network(&self, spec: &NetSpec, size: [usize; 3]) -> Result<Network, EngineError> {
        match Missing::find(spec) {
            Some(Missing(what)) => Err(self.missing(what)),
            None => Ok(Network::new(spec.clone(), size)?),
        }
    }

    fn read(&self, tensor: Activations) -> Result<Vec<f32>, EngineError> {
        tensor.try_into_vec_as().map_err(|error| self.failed(error))
    }
}

impl Engine for Gpu {
    fn device(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn predictor(
        &self,
        spec: &NetSpec,
        params: &Parameters,
        size: [usize; 3],
    ) -> Result<Box<dyn Predictor>, EngineError> {
        let network = self.network(spec, size)?;
        let weights = Weights::upload(params, &self.device);
        Ok(Box::new(GpuPredictor { gpu: self.clone(), network, weights, size }))
    }

    fn learner(
        &self,
        spec: &NetSpec,
        params: &Parameters,
        size: [usize; 3],
        precision: TrainingPrecision,
    ) -> Result<Box<dyn Learner>, EngineError> {
        if precision != TrainingPrecision::F32 {
            return Err(self.missing(format!("training with the precision {precision:?}")));
        }
        let network = self.network(spec, size)?;
        let gpu = Self { device: self.device.clone().autodiff(), ..self.clone() };
        Ok(Box::new(GpuLearner {
            weights: Weights::upload(params, &gpu.device),
            gpu,
            params: params.clone(),
            gradient: Parameters::zeros(spec),
            network,
            size,
            logits: Vec::new(),
            tape: None,
        }))
    }
}

/// A volume as the network's input on a device.
fn upload(input: &[f32], spec: &NetSpec, [z, y, x]: [usize; 3], device: &Device) -> Activations {
    let shape = [1, spec.in_channels, z, y, x];
    assert_eq!(input.len(), shape.iter().product::<usize>(), "gpu: input does not fill the size");
    Tensor::from_data(TensorData::new(input.to_vec(), shape), device)
}

#[derive(Debug)]
struct GpuPredictor {
    gpu: Gpu,
    network: Network,
    weights: Weights,
    size: [usize; 3],
}

impl Predictor for GpuPredictor {
    fn probabilities(&mut self, input: &[f32]) -> Result<Vec<f32>, EngineError> {
        let input = upload(input, self.network.spec(), self.size, &self.gpu.device);
        let logits = self.network.forward(&self.weights, input, DropoutSeed::Off);
        let logits = logits.map_err(|Missing(what)| self.gpu.missing(what))?;
        self.gpu.read(sigmoid(logits))
    }
}

/// Parameters, optimiser and loss stay on the CPU; the passes between them run on the device.
#[derive(Debug)]
struct GpuLearner {
    gpu: Gpu,
    network: Network,
    params: Parameters,
    gradient: Parameters,
    weights: Weights,
    size: [usize; 3],
    logits: Vec<f32>,
    /// Logits of the last forward pass with all that their gradient needs.
    tape: Option<Activations>,
}

impl Learner for GpuLearner {
    fn spec(&self) -> &NetSpec {
        self.network.spec()
    }

    fn params(&self) -> &Parameters {
        &self.params
    }

    fn gradient(&self) -> &Parameters {
        &self.gradient
    }

    fn update(&mut self, change: &mut dyn FnMut(&mut [f32], &[f32])) {
        change(self.params.values_mut(), self.gradient.values());
        self.weights = Weights::upload(&self.params, &self.gpu.device);
    }

    fn reshape(&mut self, size: [usize; 3]) -> Result<(), SpecError> {
        if self.size != size {
            self.network = Network::new(self.network.spec().clone(), size)?;
            self.size = size;
        }
        Ok(())
    }

    fn forward(&mut self, input: &[f32], dropout: DropoutSeed) -> Result<&[f32], EngineError> {
        // What the last step held is let go first: the device's memory need not hold two.
        self.tape = None;
        let input = upload(input, self.network.spec(), self.size, &self.gpu.device);
        let logits = self.network.forward(&self.weights, input, dropout);
        let logits = logits.map_err(|Missing(what)| self.gpu.missing(what))?;
        self.logits = self.gpu.read(logits.clone().without_autodiff())?;
        self.tape = Some(logits);
        Ok(&self.logits)
    }

    fn backward(&mut self, logit_grad: &[f32]) -> Result<(), EngineError> {
        assert_eq!(logit_grad.len(), self.network.logit_count(), "gpu: gradient does not fit");
        let logits = self.tape.take().expect("a forward pass comes before its backward pass");
        let slope = TensorData::new(logit_grad.to_vec(), logits.dims());
        // The loss is known by its slope at these logits: Σ logit · slope has the same gradient.
        let slope = Tensor::<5>::from_data(slope, &self.gpu.device);
        let mut gradients = (logits * slope).sum().backward();
        self.gradient.values_mut().fill(0.0);
        let (mut names, mut reading) = (Vec::new(), Transaction::default());
        for (info, leaf) in self.params.infos().iter().zip(&self.weights.tensors) {
            // A bias before a normalisation takes no part and has none.
            if let Some(gradient) = leaf.grad_remove(&mut gradients) {
                reading = reading.register(gradient);
                names.push(&info.name);
            }
        }
        let read = reading.try_execute().map_err(|error| self.gpu.failed(error))?;
        for (name, data) in names.into_iter().zip(read) {
            let values = data.try_into_vec::<f32>().map_err(|error| self.gpu.failed(error))?;
            self.gradient.get_mut(name).copy_from_slice(&values);
        }
        Ok(())
    }
}
