package events

import (
	"time"

	"github.com/rosterd/rosterd/crm"
)

// Kind is what an event tells of.
type Kind string

// The kinds of change. Events that Salesforce adds later are KindOther.
const (
	KindCreate   Kind = "create"
	KindUpdate   Kind = "update"
	KindDelete   Kind = "delete"
	KindUndelete Kind = "undelete"
	KindGap      Kind = "gap"      // something changed, and Salesforce cannot say what
	KindOverflow Kind = "overflow" // more changed than Salesforce tells one by one
	KindOther    Kind = "other"
)

// Kinds returns every kind, for labels.
func Kinds() []Kind {
	return []Kind{KindCreate, KindUpdate, KindDelete, KindUndelete, KindGap, KindOverflow, KindOther}
}

// Change is one event.
type Change struct {
	Kind      Kind
	IDs       []crm.ID // whom it concerns; a merged event has several
	Everyone  bool     // it may concern anyone: only a complete look tells
	Fields    []string // of an update, what was changed or cleared: IsActive, Name.FirstName; nil when that is not known
	Committed time.Time
}

// Batch is what arrived since the batch before, in the order of the bus.
type Batch struct {
	Changes    []Change
	Unreadable int    // events of which it is not known whom they concern
	Position   []byte // where to go on once Changes are stored; nil leaves it where it was
}
