//! Numbers of 16 bits against the `half` crate.

use super::half as ours;

#[test]
fn every_number_of_16_bits_is_the_same_of_32() {
    for bits in 0..=u16::MAX {
        let want = half::f16::from_bits(bits).to_f32();
        let have = ours(bits);
        assert!(have.to_bits() == want.to_bits() || (have.is_nan() && want.is_nan()), "{bits:#06x}: {have} for {want}");
    }
}
