//! Compares the rules for tools with the first list of tools that a client gets.

use std::sync::Arc;

use super::first_list::ObservedList;
use super::rooms::Pipeline;
use crate::current::Current;
use crate::events::{ToolsReviewed, listed, tools_not_reviewed};
use crate::stream::{SeenTools, ToolsObserver};

impl Pipeline {
    /// The observer of a response with a list of tools. It does not keep a replaced configuration in memory.
    pub(super) fn tools_observer(&self, current: &Arc<Current<Self>>) -> Box<ToolsObserver> {
        let (current, observed) = (current.clone(), ObservedList::of(&self.first_list));
        Box::new(ToolsObserver::new(move |seen| {
            let now = current.look();
            if observed.is_first(&now.first_list) {
                now.review(seen);
            }
        }))
    }

    fn review(&self, seen: SeenTools) {
        let SeenTools::Listed { names, is_whole } = seen else {
            return tools_not_reviewed();
        };
        let review = self.policy.review(names);
        // The tools of an unused rule may be on a later page.
        let unused_rules = review.unused_rules().iter().filter(|_| is_whole);
        let event = ToolsReviewed {
            resource: self.resource.as_str(),
            unlisted: self.policy.unlisted(),
            unused_rules: listed(unused_rules),
            tools_without_rule: listed(review.tools_without_rule().iter()),
        };
        if event.unused_rules.is_some() || event.tools_without_rule.is_some() {
            event.write();
        }
    }
}
