//! The conformance harness with extensions that follow the rules.

use permessage_deflate::{PermessageDeflate, WindowBits};
use websocket_driver::extensions::Rsv;
use websocket_driver_extensions::test_util::{check, check_pair};

use crate::checksum::Checksum;

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).expect("8 to 15")
}

#[test]
fn checksum_extension_conforms_with_any_bits() {
    check(Checksum::new);
    for rsv in [Rsv::RSV1, Rsv::RSV3, Rsv::RSV1 | Rsv::RSV3, Rsv::RSV1 | Rsv::RSV2 | Rsv::RSV3] {
        check(|| Checksum::new().on(rsv));
    }
}

#[test]
fn permessage_deflate_conforms_by_default() {
    check(PermessageDeflate::new);
}

#[test]
fn permessage_deflate_conforms_without_context_takeover() {
    check(|| PermessageDeflate::new().no_context_takeover(true));
    check(|| PermessageDeflate::new().request_no_context_takeover(true));
    check(|| PermessageDeflate::new().no_context_takeover(true).request_no_context_takeover(true));
}

#[test]
fn permessage_deflate_conforms_with_every_window() {
    for own in 8..=15 {
        check(|| PermessageDeflate::new().max_window_bits(bits(own)));
    }
    for peers in 9..=15 {
        check(|| PermessageDeflate::new().request_max_window_bits(bits(peers)).max_window_bits(bits(24 - peers)));
    }
}

#[test]
fn permessage_deflate_conforms_with_every_level_and_threshold() {
    for (level, mem_level, threshold) in [(0, 1, 0), (1, 9, 1), (9, 5, 100), (3, 8, 1000), (6, 8, usize::MAX)] {
        check(|| PermessageDeflate::new().level(level).mem_level(mem_level).threshold(threshold));
    }
}

#[test]
fn client_and_server_with_different_options_conform() {
    let small = || PermessageDeflate::new().max_window_bits(bits(9)).no_context_takeover(true).threshold(0);
    let asking =
        || PermessageDeflate::new().request_max_window_bits(bits(10)).request_no_context_takeover(true).level(1);
    check_pair(small, PermessageDeflate::new);
    check_pair(PermessageDeflate::new, small);
    check_pair(small, asking);
    check_pair(asking, small);
    check_pair(asking, PermessageDeflate::new);
    check_pair(PermessageDeflate::new, asking);
}
