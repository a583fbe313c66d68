package simorg

import (
	"fmt"
	"slices"
	"time"
)

// Tx is a transaction that takes its time: its rows are stamped when they are saved and seen when it commits. While
// it is open, latestDateCovered of the replication calls stays at its start.
type Tx struct {
	o     *Org
	start time.Time
	due   time.Time // when it commits by itself; zero for never
	edits []txEdit
	done  bool
}

type txEdit struct {
	i    int
	at   time.Time
	user *User         // of an insert
	edit func(u *User) // of an update
}

// Begin opens a transaction. It holds nothing else up.
func (o *Org) Begin() *Tx {
	o.mu.Lock()
	defer o.mu.Unlock()
	tx := &Tx{o: o, start: o.now()}
	o.open = append(o.open, tx)
	return tx
}

// LateCommit edits users in a transaction that commits by itself after d: the rows carry the stamp of now and are
// seen from now + d.
func (o *Org) LateCommit(d time.Duration, ids []string, edit func(u *User)) error {
	tx := o.Begin()
	o.mu.Lock()
	tx.due = tx.start.Add(d)
	o.bus.wake() // streams wait for its time, too
	o.mu.Unlock()
	for _, id := range ids {
		if err := tx.Update(id, edit); err != nil {
			tx.Rollback()
			return err
		}
	}
	return nil
}

// Update saves an edit, stamped now. edit runs at commit, on what the row is then.
func (tx *Tx) Update(id string, edit func(u *User)) error {
	tx.o.mu.Lock()
	defer tx.o.mu.Unlock()
	i, err := tx.o.findLocked(id)
	if err != nil {
		return fmt.Errorf("update user %s: %w", id, err)
	}
	tx.edits = append(tx.edits, txEdit{i: i, at: tx.o.now(), edit: edit})
	return nil
}

// AddUser saves a new user, stamped now. The id exists at once; the row is seen after the commit.
func (tx *Tx) AddUser(u User) (string, error) {
	tx.o.mu.Lock()
	defer tx.o.mu.Unlock()
	now := tx.o.now()
	i, nu, err := tx.o.prepareLocked(u, now, tx.o.gen.admin)
	if err != nil {
		return "", err
	}
	tx.edits = append(tx.edits, txEdit{i: i, at: now, user: nu})
	return nu.ID, nil
}

// Commit shows what was saved. A second Commit does nothing.
func (tx *Tx) Commit() {
	tx.o.mu.Lock()
	defer tx.o.mu.Unlock()
	tx.commitLocked()
}

// Rollback forgets what was saved; the ids of inserted rows stay unused.
func (tx *Tx) Rollback() {
	tx.o.mu.Lock()
	defer tx.o.mu.Unlock()
	tx.closeLocked()
}

func (tx *Tx) closeLocked() {
	tx.done = true
	tx.o.open = slices.DeleteFunc(tx.o.open, func(t *Tx) bool { return t == tx })
}

func (tx *Tx) commitLocked() {
	if tx.done {
		return
	}
	tx.closeLocked()
	var edits []rowEdit
	of := map[int]int{} // edits by row: a record has one event in a transaction
	for _, e := range tx.edits {
		if e.user != nil {
			tx.o.putLocked(e.i, e.user)
			of[e.i] = len(edits)
			edits = append(edits, rowEdit{is: e.user})
			continue
		}
		was, u, err := tx.o.changeLocked(e.i, e.edit)
		if err != nil {
			continue // the name was taken meanwhile: Salesforce would have refused the row
		}
		at := e.at
		if second(at).Before(u.SystemModstamp) {
			at = u.SystemModstamp // somebody saved the row later: stamps never go back
		}
		tx.o.stampLocked(u, at, tx.o.gen.admin)
		tx.o.putLocked(e.i, u)
		if k, again := of[e.i]; again {
			edits[k].is = u
			continue
		}
		of[e.i] = len(edits)
		edits = append(edits, rowEdit{was, u})
	}
	tx.o.bus.publish(tx.o.now(), tx.o.byHand(), edits)
}
