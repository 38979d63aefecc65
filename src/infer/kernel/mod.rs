//! Inner loops, compiled for several instruction sets and chosen when the program runs.

mod activate;
#[cfg(target_arch = "aarch64")]
mod arm;
mod exp;
mod isa;
mod pack;
mod peak;
mod portable;
mod qgemm;
mod weights;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use activate::{Activation, activate};
pub(crate) use exp::exponential;
pub(crate) use isa::{Best, Isa, LANES, Work, sixteen};
pub(crate) use pack::{Before, Normalisation, Order, Packed, View, invert, pack};
pub use peak::Peak;
pub(crate) use qgemm::{Finish, product};
pub(crate) use weights::Weights;
