//! What an image's label says about going back from it.

use crate::Row;
use crate::order::Service;
use crate::world::World;

pub(crate) const ROWS: &[Row] = &[
    ("an image labelled unsafe to roll back is told of at every prefetch", labelled),
    ("a rollback label that is no known word is warned about and counts as safe", unclear),
    ("an image without a rollback label is safe", unlabelled),
];

const WEB: &str = "  web: {image: IMAGE, restart: always}\n";
const ABOUT: &str = "esclusa.rollback";

fn labelled(world: &World) {
    let service = Service::new(world, "label/unsafe", WEB);
    let image = service.push("oneway", "v1");
    // Pulled by the first, found there by the second.
    for fence in ["1.1", "1.2"] {
        let answer = service.prefetch(&image, fence);
        assert_eq!(answer.expect("ok", 0).text("rollback"), "unsafe", "{answer}");
        assert!(!answer.value["warnings"].to_string().contains(ABOUT), "{answer}");
    }
    let nothing = service.prefetch("none", "1.3");
    assert!(nothing.expect("ok", 0).value.get("rollback").is_none(), "{nothing}");
}

fn unclear(world: &World) {
    let service = Service::new(world, "label/unclear", WEB);
    let image = service.push("unclear", "v1");
    let answer = service.prefetch(&image, "1.1");
    answer.expect("ok", 0).warns(r#"label esclusa.rollback is \"Unsafe\""#);
    assert_eq!(answer.text("rollback"), "safe", "{answer}");
}

fn unlabelled(world: &World) {
    let service = Service::new(world, "label/none", WEB);
    let image = service.push("idle1", "v1");
    let answer = service.prefetch(&image, "1.1");
    assert_eq!(answer.expect("ok", 0).text("rollback"), "safe", "{answer}");
    assert!(!answer.value["warnings"].to_string().contains(ABOUT), "{answer}");
}
