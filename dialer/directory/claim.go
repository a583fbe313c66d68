package directory

import (
	"context"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// slot is an attribute of which two users cannot have the same value.
type slot int

const (
	slotSalesforceID slot = iota // first: who is there already is not refused for the rest
	slotUsername
	slotEmail
	slotExtension
	slotVirtual // shares its keys with slotExtension
	slotNumber
	slots
)

// numbering reports whether the slot is of the one space of extensions.
func (s slot) numbering() bool { return s == slotExtension || s == slotVirtual }

func (s slot) field() dialer.Field {
	return [slots]dialer.Field{
		dialer.FieldSalesforceID, dialer.FieldUsername, dialer.FieldEmail, dialer.FieldExtension,
		dialer.FieldVirtualExtension, dialer.FieldPersonalNumber,
	}[s]
}

// holder has a key. A holder that yields loses it to the first who needs it:
// so leavers do with their address.
type holder struct {
	id     string
	yields bool
	rests  string // of one who was deleted: the Salesforce id, under which they may come back to it
	c      *cand  // who took it in the group that is being decided
}

// claims are what a change gave up and took, to be undone if it is refused.
type claims struct {
	released [slots]string
	took     [slots]string
	ousted   [slots]holder
}

// keys returns what u has, or would like to have.
func keys(u *dialer.User) (k [slots]string) {
	if u.Status == dialer.StatusDeleted {
		return k
	}
	k = [slots]string{u.SalesforceID, dialer.Key(u.Username), dialer.Key(u.Email), u.Extension, u.VirtualExtension}
	if len(u.Settings.More) > 0 {
		k[slotNumber] = dialer.FieldPersonalNumber.Text(u)
	}
	return k
}

// yields reports whether u has its address only until somebody active needs it.
func yields(u *dialer.User) bool {
	return u.Status != dialer.StatusActive || !u.DeactivateAt.IsZero()
}

// hold notes what a user that was read has.
func (b *batch) hold(u *dialer.User, claimed bool) {
	for s, k := range keys(u) {
		if k != "" && (slot(s) != slotEmail || claimed) {
			b.held[s][k] = holder{id: u.ID, yields: slot(s) == slotEmail && yields(u)}
		}
	}
}

// claimed reports whether u has its address for itself.
func (b *batch) claimed(u *dialer.User) bool {
	k := dialer.Key(u.Email)
	return k != "" && u.Status != dialer.StatusDeleted && b.held[slotEmail][k].id == u.ID
}

// release lets go of the keys that the change gives up, before anyone claims:
// so two users can swap.
func (b *batch) release(c *cand) {
	next := keys(&c.next)
	for s, k := range keys(&c.e.is) {
		if c.next.Status == dialer.StatusDeleted && slot(s).numbering() && b.settings.Quarantine() > 0 {
			continue // it rests
		}
		if k != "" && k != next[s] && b.held[s][k].id == c.next.ID {
			delete(b.held[s], k)
			c.released[s] = k
		}
	}
}

// claim takes the keys that the change needs, or refuses it.
func (b *batch) claim(c *cand) {
	if b.demotes(c) && b.admins <= 1 {
		b.refuse(c, errLastAdmin)
		return
	}
	for i, k := range keys(&c.next) {
		s := slot(i)
		h, taken := b.held[s][k]
		gives := s == slotEmail && yields(&c.next)
		taken = taken && (h.rests == "" || h.rests != c.next.SalesforceID)
		switch {
		case k == "" || taken && h.id == c.next.ID && h.yields == gives:
			continue
		case taken && h.id == c.next.ID:
			c.ousted[s] = h // by itself, on other terms
		case taken && gives:
			continue // shown, not claimed
		case taken && h.yields:
			c.ousted[s] = h
		case taken && c.change.Verb == dialer.VerbCreate && s == slotExtension:
			c.next.Extension, c.auto = "", true
			c.note = join(c.note, "extension left out: another user has it")
			continue
		case taken && c.change.Verb == dialer.VerbCreate && s == slotSalesforceID:
			b.unchanged(c, h)
			return
		case taken:
			b.refuse(c, &dialer.TakenError{Field: s.field(), UserID: h.id})
			return
		}
		b.held[s][k] = holder{id: c.next.ID, yields: gives, c: c}
		c.took[s] = k
	}
	if b.demotes(c) {
		b.admins--
		c.demoted = true
	}
}

// refuse undoes what c released and took. Who took in good faith what c must
// keep is refused in turn.
func (b *batch) refuse(c *cand, err error) {
	b.undo(c)
	*c.result = dialer.Result{UserID: c.change.UserID, Outcome: dialer.Refused, Err: err, Version: c.e.is.Version}
}

// unchanged is refuse for a new user who is there already.
func (b *batch) unchanged(c *cand, h holder) {
	b.undo(c)
	*c.result = dialer.Result{UserID: h.id, Outcome: dialer.Unchanged}
	if h.c != nil {
		c.result.Version, c.result.NoSeat = h.c.next.Version, h.c.noSeat
	}
}

func (b *batch) undo(c *cand) {
	c.refused = true
	if c.demoted {
		b.admins++
		c.demoted = false
	}
	for _, kind := range c.reserved {
		b.pools[kind].left++
	}
	for s, k := range c.took {
		if k == "" {
			continue
		}
		if b.held[s][k].c != c { // lost it meanwhile
			if c.ousted[s].id == c.next.ID {
				c.released[s] = k
			}
			continue
		}
		delete(b.held[s], k)
		if c.ousted[s].id != "" {
			b.held[s][k] = c.ousted[s]
		}
	}
	for i, k := range c.released {
		s := slot(i)
		if k == "" {
			continue
		}
		if h, taken := b.held[s][k]; taken {
			if s == slotEmail && yields(&c.e.is) {
				b.yielded = append(b.yielded, c.e.is.ID)
				continue
			}
			b.refuse(h.c, &dialer.TakenError{Field: s.field(), UserID: c.e.is.ID})
		}
		b.held[s][k] = holder{id: c.e.is.ID, yields: s == slotEmail && yields(&c.e.is)}
	}
}

// settleClaims makes the claims of an accepted change lasting.
func (b *batch) settleClaims(c *cand) {
	for s, k := range keys(&c.next) {
		if h, ok := b.held[s][k]; ok && h.id == c.next.ID {
			b.held[s][k] = holder{id: h.id, yields: slot(s) == slotEmail && yields(&c.next)}
		}
	}
	if h := c.ousted[slotEmail]; h.id != "" && h.id != c.next.ID {
		b.yielded = append(b.yielded, h.id)
	}
}

// wanted lists the keys that the steps may claim.
func (b *batch) wanted(steps []step) [slots]store.Strings {
	var want [slots]store.Strings
	add := func(s slot, k string) {
		if s == slotVirtual {
			s = slotExtension
		}
		if k != "" {
			if _, held := b.held[s][k]; !held || s == slotNumber {
				want[s] = append(want[s], k)
			}
		}
	}
	for _, st := range steps {
		ch := st.change
		if ch.Verb == dialer.VerbSettle {
			continue
		}
		country := ch.User.Settings.Country
		if e := b.users[ch.UserID]; e != nil && country == "" {
			country = e.is.Settings.Country
		}
		if b.settings.OwnCallerIDs() {
			for _, f := range callerIDs {
				add(slotNumber, dialer.Phone(f.Text(&ch.User), country))
			}
		}
		k := keys(&ch.User)
		if k[slotNumber] != "" {
			k[slotNumber] = dialer.Phone(k[slotNumber], country)
		}
		for s := range slots {
			if ch.Verb == dialer.VerbCreate || slices.Contains(ch.Fields, s.field()) ||
				ch.Verb == dialer.VerbLink && s == slotSalesforceID {
				add(s, k[s])
			}
		}
		if e := b.users[ch.UserID]; e != nil && !b.claimed(&e.is) {
			add(slotEmail, dialer.Key(e.is.Email))
		}
	}
	return want
}

// loadHolders finds who has the wanted keys.
func (b *batch) loadHolders(ctx context.Context, want [slots]store.Strings) error {
	type source struct {
		slot      slot
		column    string
		condition string // in the words of an index
	}
	sources := []source{
		{slotSalesforceID, "salesforce_id", "status <> 'deleted' AND salesforce_id <> ''"},
		{slotUsername, "username_key", "status <> 'deleted'"},
		{slotEmail, "email_key", "email_claimed"},
		{slotExtension, "extension", "status <> 'deleted' AND extension <> ''"},
		{slotExtension, "virtual_extension", "status <> 'deleted' AND virtual_extension <> ''"},
	}
	if q := b.settings.Quarantine(); q > 0 {
		rests := fmt.Sprintf("deleted_at > %d", store.Micros(b.now.Add(-q)))
		sources = append(sources,
			source{slotExtension, "extension", "status = 'deleted' AND extension <> '' AND " + rests},
			source{slotExtension, "virtual_extension", "status = 'deleted' AND virtual_extension <> '' AND " + rests})
	}
	for _, src := range sources {
		for part := range slices.Chunk(want[src.slot], pageSize) {
			if err := b.loadSlot(ctx, src.slot, src.column, src.condition+" AND "+b.tx.In(src.column, 2), part); err != nil {
				return err
			}
		}
	}
	return b.loadNumbers(ctx, want[slotNumber])
}

func (b *batch) loadSlot(ctx context.Context, s slot, column, condition string, want store.Strings) error {
	rows, err := b.tx.Query(ctx, "SELECT "+column+`, id, status <> 'active' OR deactivate_at <> 0, status_reason, version,
		CASE WHEN status = 'deleted' THEN salesforce_id ELSE '' END`+
		" FROM dialer_users WHERE org_id = $1 AND "+condition, b.d.org, want)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var k string
		var h holder
		var u dialer.User
		if err := rows.Scan(&k, &h.id, &h.yields, (*string)(&u.StatusReason), &u.Version, &h.rests); err != nil {
			return err
		}
		if _, known := b.held[s][k]; known { // one who is there comes before one who was deleted
			continue
		}
		h.yields = h.yields && s == slotEmail
		b.held[s][k] = h
		if s == slotSalesforceID && b.users[h.id] == nil { // enough to answer a repeated creation
			u.ID = h.id
			b.users[h.id] = &entry{was: u, is: u}
		}
	}
	return rows.Err()
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}
