//! From a convolution's sums to the affine map of each channel, and back.

use haema_kernels::norm::ChannelMap;
use haema_kernels::norm_grad::ChannelGrad;
use haema_kernels::{ChannelStats, LANES};

use crate::spec::{NormMode, NormSpec};

/// Mean and divisor of each channel of a tensor, kept for the way back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moments {
    mean: Vec<f64>,
    /// `s`: what `x − mean` is divided by.
    divisor: Vec<f64>,
    /// `s/σ` where ε is added to σ, else 1.
    ratio: Vec<f64>,
    voxels: f64,
}

/// What a convolution's parameters are called here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NormParams<'a> {
    /// Of a convolution; without effect before a normalisation.
    pub(crate) bias: Option<&'a [f32]>,
    /// γ and β, where there is a normalisation.
    pub(crate) affine: Option<(&'a [f32], &'a [f32])>,
}

impl NormParams<'_> {
    /// Number of channels.
    pub(crate) fn channels(&self) -> usize {
        self.affine.map(|(gamma, _)| gamma).or(self.bias).map_or(0, <[f32]>::len)
    }
}

/// Adds up the sums of planes, in their order.
pub(crate) fn reduce(stats: &[ChannelStats], blocks: usize) -> Vec<ChannelStats> {
    let mut total = vec![ChannelStats::default(); blocks];
    for plane in stats.chunks(blocks) {
        for (total, stats) in total.iter_mut().zip(plane) {
            for lane in 0..LANES {
                total.sum[lane] += stats.sum[lane];
                total.sum_of_squares[lane] += stats.sum_of_squares[lane];
            }
        }
    }
    total
}

impl Moments {
    /// From the sums over all voxels.
    pub(crate) fn new(
        total: &[ChannelStats],
        channels: usize,
        voxels: usize,
        spec: NormSpec,
    ) -> Self {
        let n = voxels as f64;
        let mut moments = Self { voxels: n, ..Self::default() };
        for channel in 0..channels {
            let stats = &total[channel / LANES];
            let mean = stats.sum[channel % LANES] / n;
            let variance = (stats.sum_of_squares[channel % LANES] / n - mean * mean).max(0.0);
            let (divisor, ratio) = match spec.mode {
                NormMode::Variance => ((variance + spec.eps).sqrt(), 1.0),
                NormMode::StandardDeviation => {
                    let deviation = variance.sqrt();
                    let divisor = deviation + spec.eps;
                    // A constant channel has no direction to change in.
                    (divisor, if deviation > 0.0 { divisor / deviation } else { 0.0 })
                }
            };
            moments.mean.push(mean);
            moments.divisor.push(divisor);
            moments.ratio.push(ratio);
        }
        moments
    }
}

/// The map of each block: normalisation where there are moments, else the bias. A bias before a
/// normalisation has no effect and is left out.
pub(crate) fn maps(
    moments: Option<&Moments>,
    params: NormParams<'_>,
    keep: impl Fn(usize) -> f32,
) -> Vec<ChannelMap> {
    let channels = params.channels();
    let mut maps = vec![ChannelMap::default(); channels.div_ceil(LANES)];
    for channel in 0..channels {
        let map = &mut maps[channel / LANES];
        let lane = channel % LANES;
        let (scale, shift) = match (moments, params.affine) {
            (Some(moments), Some((gamma, beta))) => {
                let scale = f64::from(gamma[channel]) / moments.divisor[channel];
                (scale as f32, (f64::from(beta[channel]) - moments.mean[channel] * scale) as f32)
            }
            _ => (1.0, params.bias.map_or(0.0, |bias| bias[channel])),
        };
        map.scale.0[lane] = scale;
        map.shift.0[lane] = shift;
        map.keep.0[lane] = keep(channel);
    }
    maps
}

/// The way back of each block from `Σdz` and `Σ dz·x`, and the gradients of the parameters:
/// `(γ, β)` with a normalisation, `(nothing, bias)` without.
pub(crate) fn grads(
    moments: Option<&Moments>,
    params: NormParams<'_>,
    total: &[ChannelStats],
) -> (Vec<ChannelGrad>, Vec<[f32; 2]>) {
    let channels = params.channels();
    let mut grads = vec![ChannelGrad::default(); channels.div_ceil(LANES)];
    let mut of_params = Vec::with_capacity(channels);
    for channel in 0..channels {
        let (block, lane) = (channel / LANES, channel % LANES);
        let sum_dz = total[block].sum[lane];
        let grad = &mut grads[block];
        if let (Some(moments), Some((gamma, _))) = (moments, params.affine) {
            let (mean, s) = (moments.mean[channel], moments.divisor[channel]);
            let sum_dz_x_hat = (total[block].sum_of_squares[lane] - mean * sum_dz) / s;
            let factor = f64::from(gamma[channel]) / s;
            let pull = factor * sum_dz_x_hat / moments.voxels * moments.ratio[channel] / s;
            grad.from_dz.0[lane] = factor as f32;
            grad.from_x.0[lane] = -pull as f32;
            grad.constant.0[lane] = (pull * mean - factor * sum_dz / moments.voxels) as f32;
            of_params.push([sum_dz_x_hat as f32, sum_dz as f32]);
        } else {
            grad.from_dz.0[lane] = 1.0;
            of_params.push([0.0, sum_dz as f32]);
        }
    }
    (grads, of_params)
}
