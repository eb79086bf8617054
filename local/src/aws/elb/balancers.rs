//! Load balancers, their listeners, and tags: as much as an environment needs to be set up.

use super::groups::{checked_name, short_id, tags};
use super::model::{Balancer, Listener};
use super::{Elb, answers, invalid};
use crate::aws::clock::Moment;
use crate::aws::error::{ApiError, ApiResult};
use crate::aws::guard;
use crate::aws::query::Params;
use crate::aws::xml::Xml;

impl Elb {
    pub(super) fn create_balancer(&self, params: &Params) -> ApiResult<Vec<Xml>> {
        let name = checked_name(params.required("Name")?)?;
        let balancer = Balancer {
            arn: self.arn(&format!("loadbalancer/app/{name}/{}", short_id())),
            name: name.clone(),
            scheme: params.text("Scheme").unwrap_or("internet-facing").to_owned(),
            created_at: Moment::now(),
            subnets: params.list("Subnets"),
            tags: tags(params),
        };
        let mut model = guard(&self.model);
        if model.balancers.values().any(|it| it.name == name) {
            let message = format!("A load balancer with the same name '{name}' exists");
            return Err(ApiError::client("DuplicateLoadBalancerName", message));
        }
        let answer = Xml::list("LoadBalancers", [answers::balancer(&balancer)]);
        model.balancers.insert(balancer.arn.clone(), balancer);
        self.saved(&model);
        Ok(vec![answer])
    }

    pub(super) fn describe_balancers(&self, params: &Params) -> ApiResult<Vec<Xml>> {
        let (arns, names) = (params.list("LoadBalancerArns"), params.list("Names"));
        let model = guard(&self.model);
        let wanted: Vec<&Balancer> = model
            .balancers
            .values()
            .filter(|it| {
                let all = arns.is_empty() && names.is_empty();
                all || arns.contains(&it.arn) || names.contains(&it.name)
            })
            .collect();
        if wanted.len() < arns.len().saturating_add(names.len()) {
            let message = "One or more load balancers not found";
            return Err(ApiError::client("LoadBalancerNotFound", message));
        }
        Ok(vec![Xml::list("LoadBalancers", wanted.into_iter().map(answers::balancer))])
    }

    pub(super) async fn delete_balancer(&self, params: &Params) -> ApiResult<Vec<Xml>> {
        let arn = params.required("LoadBalancerArn")?;
        let listeners: Vec<String> = {
            let mut model = guard(&self.model);
            model.balancers.remove(arn);
            let own = model.listeners.values().filter(|it| it.balancer == arn);
            let own: Vec<String> = own.map(|it| it.arn.clone()).collect();
            model.listeners.retain(|_, it| it.balancer != arn);
            self.saved(&model);
            own
        };
        for listener in listeners {
            self.take_down(&listener).await;
        }
        Ok(Vec::new())
    }

    pub(super) async fn create_listener(&self, params: &Params) -> ApiResult<Vec<Xml>> {
        let listener = self.new_listener(params)?;
        let arn = listener.arn.clone();
        let answer = Xml::list("Listeners", [answers::listener(&listener)]);
        {
            let mut model = guard(&self.model);
            model.listeners.insert(arn.clone(), listener);
            self.saved(&model);
        }
        if let Err(error) = self.bring_up(&arn).await {
            guard(&self.model).listeners.remove(&arn);
            return Err(error);
        }
        Ok(vec![answer])
    }

    fn new_listener(&self, params: &Params) -> ApiResult<Listener> {
        let balancer = params.required("LoadBalancerArn")?;
        let port = params.number("Port")?.ok_or_else(|| invalid("A port must be specified"))?;
        let group = params
            .structures("DefaultActions")
            .into_iter()
            .find(|it| it.text("Type") == Some("forward"))
            .and_then(|it| {
                let weighted = it.structures("ForwardConfig.TargetGroups");
                let first = weighted.first().and_then(|it| it.text("TargetGroupArn"));
                it.text("TargetGroupArn").or(first).map(str::to_owned)
            })
            .ok_or_else(|| invalid("a listener needs a default action that forwards to a group"))?;
        let model = guard(&self.model);
        if !model.balancers.contains_key(balancer) {
            let message = "One or more load balancers not found";
            return Err(ApiError::client("LoadBalancerNotFound", message));
        }
        model.group(&group)?;
        if model.listeners.values().any(|it| it.port == port) {
            // On AWS each load balancer has its own ports; here all share the loopback's.
            let message = format!("A listener already exists on port {port} of the loopback");
            return Err(ApiError::client("DuplicateListener", message));
        }
        let of = balancer.split_once(":loadbalancer/").map_or("", |(_, it)| it);
        Ok(Listener {
            arn: self.arn(&format!("listener/{of}/{}", short_id())),
            balancer: balancer.to_owned(),
            protocol: params.text("Protocol").unwrap_or("HTTP").to_owned(),
            port,
            group,
        })
    }

    pub(super) fn describe_listeners(&self, params: &Params) -> ApiResult<Vec<Xml>> {
        let arns = params.list("ListenerArns");
        let of = params.text("LoadBalancerArn");
        let model = guard(&self.model);
        if let Some(arn) = arns.iter().find(|arn| !model.listeners.contains_key(*arn)) {
            let message = format!("Listener '{arn}' not found");
            return Err(ApiError::client("ListenerNotFound", message));
        }
        let wanted = model.listeners.values().filter(|it| {
            (arns.is_empty() || arns.contains(&it.arn)) && of.is_none_or(|arn| arn == it.balancer)
        });
        Ok(vec![Xml::list("Listeners", wanted.map(answers::listener))])
    }

    pub(super) async fn delete_listener(&self, params: &Params) -> ApiResult<Vec<Xml>> {
        let arn = params.required("ListenerArn")?;
        {
            let mut model = guard(&self.model);
            if model.listeners.remove(arn).is_none() {
                let message = format!("Listener '{arn}' not found");
                return Err(ApiError::client("ListenerNotFound", message));
            }
            self.saved(&model);
        }
        self.take_down(arn).await;
        Ok(Vec::new())
    }

    pub(super) fn describe_tags(&self, params: &Params) -> Vec<Xml> {
        let model = guard(&self.model);
        let of = |arn: &String| {
            let group = model.groups.get(arn).map(|it| &it.tags);
            let tags = group.or_else(|| model.balancers.get(arn).map(|it| &it.tags));
            let tags = tags.into_iter().flatten();
            let tag = |(key, value)| vec![Xml::text("Key", key), Xml::text("Value", value)];
            vec![Xml::text("ResourceArn", arn), Xml::list("Tags", tags.map(tag))]
        };
        let arns = params.list("ResourceArns");
        vec![Xml::list("TagDescriptions", arns.iter().map(of))]
    }

    pub(super) fn add_tags(&self, params: &Params) -> ApiResult<Vec<Xml>> {
        let mut model = guard(&self.model);
        for arn in params.list("ResourceArns") {
            let model = &mut *model;
            let group = model.groups.get_mut(&arn).map(|it| &mut it.tags);
            let own = group.or_else(|| model.balancers.get_mut(&arn).map(|it| &mut it.tags));
            let message = format!("`{arn}` is not a load balancer or target group");
            own.ok_or_else(|| invalid(message))?.extend(tags(params));
        }
        self.saved(&model);
        Ok(Vec::new())
    }
}
