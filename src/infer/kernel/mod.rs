//! Inner loops, compiled for several instruction sets and chosen when the program runs.

mod activate;
#[cfg(target_arch = "aarch64")]
mod arm;
mod exponential;
mod isa;
mod pack;
mod peak;
mod portable;
mod product;
mod weights;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(super) use activate::{Activation, activate};
pub(super) use exponential::exponential;
pub(super) use isa::{Best, Isa, LANES, Work, sixteen};
pub(super) use pack::{Before, Normalisation, Order, Packed, View, invert, pack};
pub use peak::Peak;
pub(super) use product::{Finish, product};
pub(super) use weights::Weights;
