// Package eventbus is the generated client of Salesforce's Pub/Sub API. It holds
// nothing else: what its messages mean is the business of crm/events, and no
// other room speaks it. make generate writes it from crm/events/pubsub.proto.
package eventbus
