//! CNN-DS: the 3D U-Net with deep supervision of Arab et al. 2020.

mod network;

pub use network::{CnnDs, DeepSupervision, Down, PadMode, Profile};
