package directory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// batch is one transaction of changes. What they need to know is read in bulk,
// they are decided in memory, and what came of them is written in bulk.
type batch struct {
	d       *Directory
	tx      *store.Tx
	now     time.Time
	users   map[string]*entry // everyone the changes name, and everyone they create
	touched []*entry          // in the order of their first change
	held    [slots]map[string]holder
	pools   map[string]*pool

	settings dialer.OrgSettings
	admins   int             // active administrators who stay, if counted
	targets  map[string]bool // users whom calls shall be redirected to: whether they are active
	numbers  map[string]bool // telephone numbers that the org has
	template map[string]dialer.Values
	spare    *spare // extensions to give out; nil until one is needed

	yielded store.Strings // ids of users beside the batch who lose their claim to an address
	log     []activity
	results []dialer.Result
	before  *foresight // of a dry run: what the batches before would have written
}

// entry is a user as it was read, and as it is after the changes so far.
type entry struct {
	was, is    dialer.User
	wasClaimed bool // had its address for itself
	created    bool
	dirty      bool   // the row changed, beyond what was settled
	settled    bool   // only what was settled changed
	ended      string // why sessions end; "" if they do not
	secrets    []secret
}

// cand is a change that may yet be refused.
type cand struct {
	result   *dialer.Result
	change   *dialer.Change
	e        *entry // of a new user, not in batch.users yet
	next     dialer.User
	note     string
	reserved []string // license types of which a seat was set aside
	noSeat   bool
	refused  bool
	auto     bool // gets an extension, if it has none
	demoted  bool // was counted out of the administrators
	secrets  []secret
	claims
}

func newBatch(d *Directory, tx *store.Tx, n int) *batch {
	return &batch{
		d: d, tx: tx, now: d.now(), users: make(map[string]*entry, n), pools: make(map[string]*pool),
		results: make([]dialer.Result, n),
	}
}

// run applies steps, which are in order.
func (b *batch) run(ctx context.Context, steps []step) error {
	// Changes of one org queue up, on Postgres as on SQLite: what was read
	// stays true until it is written, and who comes first gets the last seat.
	if err := b.tx.Lock(ctx, "directory", b.d.org); err != nil {
		return err
	}
	if err := b.load(ctx, steps); err != nil {
		return err
	}
	b.decide(steps)
	return b.write(ctx)
}

// decide decides steps, which are in order, of users that were loaded.
func (b *batch) decide(steps []step) {
	for i := 0; i < len(steps); {
		j := i
		for j < len(steps) && steps[j].phase == steps[i].phase && steps[j].round == steps[i].round {
			j++
		}
		b.group(steps[i:j], b.results[i:j])
		i = j
	}
}

// group decides changes of different users that happen at once.
func (b *batch) group(steps []step, results []dialer.Result) {
	var cands []*cand
	for i, s := range steps {
		results[i].UserID = s.change.UserID
		if c := b.prepare(s.change, &results[i]); c != nil {
			cands = append(cands, c)
		}
	}
	for _, c := range cands {
		b.release(c)
	}
	for _, c := range cands {
		if !c.refused { // by an earlier one that could not let go of its keys
			b.claim(c)
		}
	}
	for _, c := range cands {
		if !c.refused && c.auto && c.next.Extension == "" {
			b.allocate(c)
		}
	}
	for _, c := range cands {
		if !c.refused {
			b.commit(c)
		}
	}
}

// commit makes an accepted change part of the batch.
func (b *batch) commit(c *cand) {
	e := c.e
	if !e.dirty && !e.created && !e.settled {
		b.touched = append(b.touched, e)
	}
	if c.change.Verb == dialer.VerbCreate {
		b.users[c.next.ID] = e
		e.created = true
	} else {
		c.next.Version = e.is.Version + 1
		e.dirty = true
	}
	c.next.UpdatedAt = b.now
	before, after := dialer.Delta(&e.is, &c.next)
	if e.created && c.change.Verb == dialer.VerbCreate {
		before = "{}" // there was nothing, rather than something empty
	}
	b.log = append(b.log, activity{c: c, before: before, after: after})
	for _, kind := range e.is.LicenseTypes {
		if p := b.pools[kind]; p != nil && !slices.Contains(c.next.LicenseTypes, kind) {
			p.left++
		}
	}
	if e.is.Status == dialer.StatusActive && c.next.Status != dialer.StatusActive {
		e.ended = "deactivated"
		if c.next.Status == dialer.StatusDeleted {
			e.ended = "deleted"
		}
	}
	if administers(&c.next) && !administers(&e.is) {
		b.admins++
	}
	e.is = c.next
	e.secrets = append(e.secrets, c.secrets...)
	b.settleClaims(c)
	*c.result = dialer.Result{UserID: e.is.ID, Outcome: dialer.Applied, Version: e.is.Version, NoSeat: c.noSeat}
}

// load reads what the steps need to know.
func (b *batch) load(ctx context.Context, steps []step) error {
	ids := make(store.Strings, 0, len(steps))
	for _, s := range steps {
		if id := s.change.UserID; id != "" {
			ids = append(ids, id)
		}
		if id := s.change.User.ID; id != "" && s.change.Verb == dialer.VerbCreate {
			ids = append(ids, id)
		}
	}
	for i := range b.held {
		b.held[i] = make(map[string]holder)
	}
	b.held[slotVirtual] = b.held[slotExtension]
	var err error
	if b.settings, err = b.d.readOrgSettings(ctx, b.tx); err != nil {
		return err
	}
	slices.Sort(ids)
	for part := range slices.Chunk(slices.Compact(ids), pageSize) {
		users, claims, err := readClaims(ctx, b.tx, b.d.org, "SELECT "+selected+
			" FROM dialer_users u WHERE u.org_id = $1 AND "+b.tx.In("u.id", 2), b.d.org, part)
		if err != nil {
			return err
		}
		for i, u := range users {
			b.users[u.ID] = &entry{was: u, is: u, wasClaimed: claims[i]}
			b.hold(&u, claims[i])
		}
	}
	if err := b.loadPools(ctx); err != nil {
		return err
	}
	if err := b.loadTemplates(ctx, steps); err != nil {
		return fmt.Errorf("read templates: %w", err)
	}
	if err := b.loadAdmins(ctx, steps); err != nil {
		return fmt.Errorf("count administrators: %w", err)
	}
	if err := b.loadTargets(ctx, steps); err != nil {
		return fmt.Errorf("look up targets of redirects: %w", err)
	}
	if err := b.loadHolders(ctx, b.wanted(steps)); err != nil {
		return fmt.Errorf("look up names: %w", err)
	}
	if err := b.loadSpare(ctx, steps); err != nil {
		return fmt.Errorf("look up extensions: %w", err)
	}
	b.foresee()
	return nil
}
