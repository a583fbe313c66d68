// Package simorg is a simulated Salesforce org served over real HTTP: OAuth, the version list, limits, SOQL queries
// with locators, describe, replication, collections and composite requests over a few setup objects, above all User.
//
// Changes of users are told by the Pub/Sub API (gRPC) on a port of its own: see [Org.PubSub]. Edits append to a bounded
// log of change events whether anybody listens or not.
//
// It exists for tests, benchmarks and demonstrations. It is strict: what the real API refuses is refused here, with
// the same status, error code and text where those are known. It must know nothing of the rest of the project: a
// simulator that shares types with its client shares its misunderstandings.
//
// People are generated from a seed and their row number when they are read, so an org of a million users costs no
// memory until somebody edits them. All of them are synthetic: addresses end in example.com, .example or .invalid,
// and telephone numbers come from ranges reserved for fiction or contain 555.
//
// An [Org] is safe for concurrent use.
package simorg
