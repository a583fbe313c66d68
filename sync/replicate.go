package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/store"
)

// reader is what one replication knows while it reads.
type reader struct {
	e      *Engine
	run    *running
	fields crm.Fields
	hidden []string           // names under user that cannot be read now
	frozen map[string]bool    // who is frozen; nil when that cannot be known
	seen   bitmap             // mirror rows that a snapshot page carried
	marks  []store.MirrorMark // of ids, in their order
	ids    []string
	now    time.Time
	dirty  bool     // note written rows as to be reconciled
	wrote  []string // ids written, where dirty
}

// newReader asks Salesforce what may be read, and who is frozen.
func (e *Engine) newReader(ctx context.Context, run *running, crmc *crm.Client) (*reader, error) {
	r, err := e.describedReader(ctx, run, crmc)
	if err != nil {
		return nil, err
	}
	return r, r.readFrozen(ctx, crmc)
}

// describedReader asks Salesforce what may be read. Everyone keeps being frozen,
// or not.
func (e *Engine) describedReader(ctx context.Context, run *running, crmc *crm.Client) (*reader, error) {
	if err := e.pinOrg(ctx, run, crmc); err != nil {
		return nil, err
	}
	fields, err := crmc.Describe(ctx)
	if err != nil {
		return nil, err
	}
	e.flow.know(crmc, fields)
	r := e.readerOf(run, fields)
	if run.DryRun {
		return r, nil
	}
	return r, e.noteHidden(ctx, run, r.hidden)
}

// readerOf is a reader of these fields.
func (e *Engine) readerOf(run *running, fields crm.Fields) *reader {
	run.hidden = topNames(fields.Missing)
	return &reader{e: e, run: run, fields: fields, hidden: run.hidden, now: e.now()}
}

// readFrozen reads who is frozen. Where that cannot be read, everyone keeps
// the state they had.
func (r *reader) readFrozen(ctx context.Context, crmc *crm.Client) error {
	if r.e.config().Frozen == FrozenIgnore {
		r.frozen, r.run.frozen = map[string]bool{}, FrozenIgnore
		return nil
	}
	frozen := map[string]bool{}
	for id, err := range crmc.Frozen(ctx) {
		if errors.Is(err, crm.ErrFrozenUnreadable) {
			if r.run.DryRun {
				return nil
			}
			return r.e.attend(ctx, r.run, AttentionFrozen, "", detailFrozen)
		}
		if err != nil {
			return err
		}
		frozen[id] = true
	}
	r.frozen, r.run.frozen = frozen, FrozenDeactivate
	if r.run.DryRun {
		return nil
	}
	return r.e.unattend(ctx, AttentionFrozen, "")
}

// detailFrozen is what an item says where it cannot be read who is frozen.
const detailFrozen = "who is frozen cannot be read, so nobody changes for being frozen: give the integration user \"Manage Users\""

// page compares users with the mirror and writes those that differ. listed
// says that they come from a full snapshot. more is stored in the same
// transaction.
func (r *reader) page(ctx context.Context, users []crm.User, listed bool, more map[string]string) error {
	r.e.mirrors.Lock()
	defer r.e.mirrors.Unlock()
	r.ids = r.ids[:0]
	for i := range users {
		r.ids = append(r.ids, users[i].ID)
	}
	var err error
	if r.marks, err = r.e.mirror.Marks(ctx, r.ids, r.marks); err != nil {
		return err
	}
	if len(r.hidden) > 0 {
		if err := r.fillHidden(ctx, users); err != nil {
			return err
		}
	}
	var rows []store.MirrorRow
	var back []string
	for i := range users {
		u := &users[i]
		m := r.marks[i]
		known := m.Seq != 0
		frozen := m.Frozen
		if r.frozen != nil {
			frozen = r.frozen[u.ID]
		}
		hash := hashUser(u, frozen)
		if known && m.Hash == hash && m.Visible && (m.Listed || !listed) {
			r.seen.set(m.Seq)
			continue
		}
		if known && m.Modstamp > store.Micros(u.SystemModstamp) && m.Visible {
			r.seen.set(m.Seq)
			continue // an older state, overtaken meanwhile
		}
		row, err := rowOf(u, frozen, hash, r.now)
		if err != nil {
			return err
		}
		row.Seq, row.Listed = m.Seq, listed || m.Listed
		rows = append(rows, row)
		if known && !m.Visible {
			back = append(back, u.ID)
		}
	}
	if err := r.write(ctx, rows, more); err != nil {
		return err
	}
	if !r.run.DryRun {
		if err := r.e.journal.CloseAttention(ctx, []string{AttentionInvisible}, back, "sync", store.Micros(r.now)); err != nil {
			return err
		}
	}
	for i := range rows {
		r.seen.set(rows[i].Seq)
	}
	r.run.update(func(run *Run) {
		run.Read += len(users)
		run.Mirrored += len(rows)
		run.Progress.Done += len(users)
	})
	return nil
}

func (r *reader) write(ctx context.Context, rows []store.MirrorRow, more map[string]string) error {
	if o := r.run.overlay; o != nil {
		for _, row := range rows {
			o.rows[row.ID] = row
			r.wrote = append(r.wrote, row.ID)
		}
		return nil
	}
	if len(rows) == 0 && len(more) == 0 {
		return nil
	}
	err := r.e.db.Update(ctx, func(tx *store.Tx) error {
		if len(rows) > 0 {
			if err := r.e.mirror.PutTx(ctx, tx, rows); err != nil {
				return err
			}
		}
		if r.dirty {
			ids := make([]string, len(rows))
			for i, row := range rows {
				ids[i] = row.ID
			}
			if err := r.e.journal.PutPendingTx(ctx, tx, r.e.dirty(r.now, ids...)); err != nil {
				return err
			}
		}
		return r.e.journal.SetStateTx(ctx, tx, more)
	})
	if err != nil {
		return err
	}
	if r.dirty {
		for _, row := range rows {
			r.wrote = append(r.wrote, row.ID)
		}
	}
	r.e.recall(more)
	return nil
}

// fillHidden gives users the values that cannot be read now, as the mirror has
// them.
func (r *reader) fillHidden(ctx context.Context, users []crm.User) error {
	rows, err := r.e.mirror.Rows(ctx, r.ids)
	if err != nil {
		return err
	}
	docs := make(map[string][]byte, len(rows))
	for _, row := range rows {
		docs[row.ID] = row.Doc
	}
	for i := range users {
		if doc := docs[users[i].ID]; doc != nil {
			if err := keepHidden(&users[i], doc, r.hidden); err != nil {
				return err
			}
		}
	}
	return nil
}

// byID reads users by id and writes what differs. Those that Salesforce does
// not show are marked, and only that: nothing is concluded.
func (r *reader) byID(ctx context.Context, crmc *crm.Client, ids []string) error {
	var users []crm.User
	var lost, found []string
	flush := func() error {
		err := r.page(ctx, users, false, nil)
		users = users[:0]
		return err
	}
	for u, err := range crmc.ByID(ctx, r.fields.Select, ids) {
		var gone *crm.NotVisibleError
		switch {
		case errors.As(err, &gone):
			lost = append(lost, gone.ID)
			continue
		case err != nil:
			return err
		}
		found = append(found, u.ID)
		if users = append(users, u); len(users) == 2000 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	if r.run.DryRun {
		return nil
	}
	for part := range slices.Chunk(lost, 2000) {
		if _, err := r.e.mirror.SetVisible(ctx, part, false); err != nil {
			return err
		}
	}
	if r.run.Kind == KindUser { // someone asked for these
		r.run.count(func(c *Counts) { c.Failed += len(lost) })
	}
	return r.noteLost(ctx, lost)
}

// detailInvisible is what an item says of someone who cannot be read any more.
const detailInvisible = "Salesforce no longer shows this user to the integration user, and nothing was changed: check View All Users"

// noteLost opens an item for each enrolled user who cannot be read any more.
func (r *reader) noteLost(ctx context.Context, lost []string) error {
	for part := range slices.Chunk(lost, chunk) {
		enrolled, err := r.e.enrolledOf(ctx, part)
		if err != nil {
			return err
		}
		var items []store.AttentionRow
		for _, id := range enrolled {
			items = append(items, store.AttentionRow{
				Kind: AttentionInvisible, Subject: id, Since: store.Micros(r.now),
				Detail: detailInvisible,
			})
		}
		n, err := r.e.journal.OpenAttention(ctx, items)
		if err != nil {
			return err
		}
		r.run.count(func(c *Counts) { c.Attention += n })
	}
	return nil
}

// flips writes who became frozen, or is frozen no more, among users that were
// not read now.
func (r *reader) flips(ctx context.Context) error {
	if r.frozen == nil {
		return nil
	}
	was, err := r.e.mirror.Frozen(ctx)
	if err != nil {
		return err
	}
	var ids []string
	for _, id := range was {
		if !r.frozen[id] {
			ids = append(ids, id)
		}
	}
	for id := range r.frozen {
		if _, ok := slices.BinarySearch(was, id); !ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for part := range slices.Chunk(ids, chunk) {
		if err := r.flip(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) flip(ctx context.Context, ids []string) error {
	r.e.mirrors.Lock()
	defer r.e.mirrors.Unlock()
	rows, err := r.e.mirror.Rows(ctx, ids)
	if err != nil {
		return err
	}
	if o := r.run.overlay; o != nil {
		rows = o.replace(rows, ids)
	}
	rows = slices.DeleteFunc(rows, func(m store.MirrorRow) bool { return m.Frozen == r.frozen[m.ID] })
	for i := range rows {
		var u crm.User
		if err := json.Unmarshal(rows[i].Doc, &u); err != nil {
			return fmt.Errorf("read the mirror's copy: %w", err)
		}
		rows[i].Frozen = r.frozen[rows[i].ID]
		rows[i].Hash = hashUser(&u, rows[i].Frozen)
	}
	r.run.update(func(run *Run) { run.Mirrored += len(rows) })
	return r.write(ctx, rows, nil)
}

// bitmap is a set of small numbers.
type bitmap []uint64

func (b *bitmap) set(n int64) {
	for int(n/64) >= len(*b) {
		*b = append(*b, make([]uint64, max(64, len(*b)))...)
	}
	(*b)[n/64] |= 1 << (n % 64)
}

// count is how many numbers the set has.
func (b bitmap) count() (n int) {
	for _, word := range b {
		n += bits.OnesCount64(word)
	}
	return n
}

func (b bitmap) has(n int64) bool { return int(n/64) < len(b) && b[n/64]&(1<<(n%64)) != 0 }

// dirty is the note that some users were changed.
func (e *Engine) dirty(at time.Time, ids ...string) []store.PendingRow {
	rows, name := make([]store.PendingRow, len(ids)), e.notes.Add(1)
	for i, id := range ids {
		rows[i] = store.PendingRow{SalesforceID: id, Kind: store.PendingDirty, Since: store.Micros(at), SourceHash: name}
	}
	return rows
}
