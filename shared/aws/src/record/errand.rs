//! What is under way outside any rollout: hosts brought to the lane's release, or asked.

use std::collections::{BTreeMap, BTreeSet};

use esclusa_core::configuration::{Compose, HttpPath, HttpProbe, Permission, Statuses};
use esclusa_core::lane::{Errand, Inspection};
use esclusa_core::observation::HostSettings;

use super::form::{Instant, Text};
use super::order::{DocumentRecord, OrdersRecord, VerbRecord};
use super::release::{ImageRecord, ReasonRecord, RunningRecord};

words!(ComposeRecord = Compose { Auto, Host, Image });

fields!(ProbeRecord = HttpProbe {
    port: u16,
    path: Text<HttpPath>,
    expect: Text<Statuses>,
});

fields!(SettingsRecord = HostSettings {
    deadline: Option<u64>,
    http: Option<ProbeRecord>,
    compose: ComposeRecord,
    #[serde(default)]
    compose_allow: BTreeSet<Text<Permission>>,
});

fields!(InspectionRecord = Inspection {
    orders: OrdersRecord,
    documents: BTreeMap<VerbRecord, DocumentRecord>,
    settings: SettingsRecord,
});

fields!(ErrandRecord = Errand {
    image: ImageRecord,
    orders: Option<OrdersRecord>,
    #[serde(default)]
    found: Option<RunningRecord>,
    #[serde(default)]
    found_well: bool,
    #[serde(default)]
    has_served: bool,
    documents: BTreeMap<VerbRecord, DocumentRecord>,
    settings: SettingsRecord,
    tries: u32,
    retry_at: Instant,
    failure: Option<ReasonRecord>,
    runs: Option<RunningRecord>,
});
