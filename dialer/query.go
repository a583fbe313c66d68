package dialer

import (
	"slices"
	"time"
)

// Query selects users of a directory. The zero value selects every user that
// is not deleted, ordered by ID.
type Query struct {
	Status        Status   // "" means active and inactive; StatusAll includes deleted
	SalesforceIDs []string // only users linked to one of these; nil means no such limit
	IDs           []string // only these users; nil means no such limit
	Linked        bool     // only users that carry a Salesforce id
	Order         Order
	Desc          bool   // the order is the other way round
	After         string // keyset: only users beyond this value of the order's key
	Limit         int    // 0 means no limit
	Search        string // case-folded substring of name, user name or e-mail, or exact extension
	License       string // only users who hold a seat of this license type
	Group         Group  // only members of this group; zero means no such limit
	DueBefore     time.Time

	Licenses []string // only users who hold a seat of one of these; nil means no such limit
	Groups   []Group  // only users who, of each kind that is named, are in one of its groups
	Within   []Group  // only users who are in one of these, of whatever kind; nil means no such limit
	Terms    []Term   // only users for whom all of these hold
}

// Term compares an attribute with a value. Text is compared without regard to
// the case of letters from a to z.
type Term struct {
	Field Field // an attribute that is not a kind of group, or one of TermFields
	Op    Op
	Value string // in its plain form; see Field.Text
}

// Op is a comparison.
type Op string

// The comparisons. Empty and set take no value; more and less compare numbers
// and, as text, times.
const (
	OpIs       Op = "is"
	OpIsNot    Op = "is_not"
	OpContains Op = "contains"
	OpStarts   Op = "starts"
	OpEmpty    Op = "empty"
	OpSet      Op = "set"
)

// Ops lists the comparisons.
func Ops() []Op { return []Op{OpIs, OpIsNot, OpContains, OpStarts, OpEmpty, OpSet} }

// What a term can name beside attributes. FieldName is first, last and display
// name, user name and e-mail at once.
const (
	FieldName         Field = "name"
	FieldStatusReason Field = "status_reason"
	FieldOrigin       Field = "origin"
	// FieldRedirect is how a redirect to another user stands: none, ok, or
	// dangling where the other takes no calls any more.
	FieldRedirect Field = "redirect"
)

// RedirectDangling is FieldRedirect of those whose calls go to somebody who is
// not active.
const RedirectDangling = "dangling"

// Order is the key by which a query's users come.
type Order string

// The orders; all compare bytes, and those that are equal come by id. Only the
// first four go along an index.
const (
	OrderID           Order = ""
	OrderSalesforceID Order = "salesforce_id"
	OrderUsername     Order = "username"
	OrderLastName     Order = "last_name"
	OrderFirstName    Order = "first_name"
	OrderEmail        Order = "email"
	OrderExtension    Order = "extension"
	OrderUpdated      Order = "updated_at"
	OrderCreated      Order = "created_at"
)

// Orders lists the orders by which a list can be sorted.
func Orders() []Order {
	return []Order{
		OrderID, OrderSalesforceID, OrderUsername, OrderLastName, OrderFirstName, OrderEmail, OrderExtension, OrderUpdated, OrderCreated,
	}
}

// Check reports what of a query no directory understands, as an *InvalidError.
func (q *Query) Check() error {
	if !slices.Contains(Orders(), q.Order) {
		return &InvalidError{"order", "must be one by which users can be sorted"}
	}
	for _, t := range q.Terms {
		a := find(t.Field)
		known := a != nil && (!a.Derived || t.Field == FieldIntegrationStatus) && a.Kind != ValueGroups && !a.Secret
		if !known && t.Field != FieldName && t.Field != FieldStatusReason && t.Field != FieldOrigin && t.Field != FieldRedirect {
			return &InvalidError{t.Field, "is not an attribute by which users can be found"}
		}
		if !slices.Contains(Ops(), t.Op) {
			return &InvalidError{t.Field, "must be compared by is, is_not, contains, starts, empty or set"}
		}
	}
	for _, g := range slices.Concat(q.Groups, q.Within) {
		if Field(g.Kind).Kind() == "" {
			return &InvalidError{"groups", "must be of a kind that there is"}
		}
	}
	return nil
}
