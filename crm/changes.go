package crm

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Watermark is how far changes have been read. Only Upper is set between windows;
// the rest tells where to go on within one that was interrupted.
type Watermark struct {
	Upper time.Time `json:"upper,omitzero"` // everything stamped earlier was read, but for late commits
	Until time.Time `json:"until,omitzero"` // what Upper becomes at the end of the window under way
	Stamp time.Time `json:"stamp,omitzero"` // the last row read of it
	ID    ID        `json:"id,omitzero"`
}

// ChangePage is a part of a window of changes.
type ChangePage struct {
	Users []User    // of this page only: the next one overwrites it
	Mark  Watermark // store it once Users are stored
	Last  bool      // the window was read to its end
}

// maxWatermarkAge is Salesforce's own horizon for replication; what is older is read
// more safely, and hardly dearer, as a snapshot.
const maxWatermarkAge = 30 * 24 * time.Hour

// ChangedSince reads the users whose SystemModstamp lies in [w.Upper - Overlap, now),
// oldest first, each once, now being Salesforce's clock, and those stamped in this very
// second as far as they are there. The prefilter is not applied,
// so that someone who leaves it is seen leaving. A user changed again meanwhile comes
// at the end of this window or in the next. A complete read costs a call for each
// page, at least one.
//
// The returned function gives the watermark to store for what has been taken so far;
// after an error, or a loop left early, it names the last page that was taken whole.
// A zero, ancient or future watermark is a *WatermarkError: take a snapshot instead.
func (c *Client) ChangedSince(ctx context.Context, fields []string, w Watermark) (iter.Seq2[User, error], func() Watermark) {
	mark := w
	seq := func(yield func(User, error) bool) {
		for page, err := range c.ChangePages(ctx, fields, w) {
			if err != nil {
				yield(User{}, err)
				return
			}
			for i := range page.Users {
				if !yield(page.Users[i], nil) {
					return
				}
			}
			mark = page.Mark
		}
	}
	return seq, func() Watermark { return mark }
}

// ChangePages is ChangedSince by pages, each with its watermark.
func (c *Client) ChangePages(ctx context.Context, fields []string, w Watermark) iter.Seq2[ChangePage, error] {
	return func(yield func(ChangePage, error) bool) {
		if err := c.changes(ctx, fields, w, yield); err != nil {
			c.learn(err)
			yield(ChangePage{}, fmt.Errorf("read changed users: %w", err))
		}
	}
}

func (c *Client) changes(ctx context.Context, fields []string, w Watermark, yield func(ChangePage, error) bool) error {
	sel, err := newSelection(fields, c.cfg.CustomFields)
	if err != nil {
		return err
	}
	win, err := newWindow(w, c.opts.Overlap)
	if err != nil {
		return err
	}
	dec, size := newDecoder(sel), c.opts.PageSize
	var buf []User
	for first := true; ; first = false {
		p, err := c.fetch(ctx, dec, opChanges, win.where(), "SystemModstamp, Id", size, buf)
		buf = p.users
		if e, ok := errors.AsType[*APIError](err); ok && e.Code == "QUERY_TIMEOUT" && size > minPage {
			size = max(minPage, size/2)
			continue
		}
		if err != nil {
			return err
		}
		if first {
			if err := win.clock(p.date, c.opts.Overlap); err != nil {
				return err
			}
		}
		last, err := win.advance(p)
		if err != nil {
			return err
		}
		if !yield(ChangePage{Users: p.users, Mark: win.mark(last), Last: last}, nil) || last {
			return nil
		}
	}
}

// window is one pass over [from, until) by (SystemModstamp, Id).
type window struct {
	upper time.Time
	from  time.Time
	until time.Time // zero until the first answer has told the time
	stamp time.Time // the last row; zero before the first
	id    ID
}

func newWindow(w Watermark, overlap time.Duration) (*window, error) {
	if w.Upper.IsZero() || w.Upper.Unix() <= 0 {
		return nil, &WatermarkError{Reason: "zero", Upper: w.Upper}
	}
	win := &window{upper: w.Upper.UTC(), from: w.Upper.UTC().Add(-overlap)}
	if id, err := ParseID(w.ID); err == nil && !w.Until.IsZero() && !w.Stamp.Before(win.from) && w.Stamp.Before(w.Until) {
		win.until, win.stamp, win.id = w.Until.UTC(), w.Stamp.UTC(), id
	}
	return win, nil
}

// clock takes Salesforce's time, which ends the window, and judges the watermark by it.
func (w *window) clock(now time.Time, overlap time.Duration) error {
	now = now.UTC()
	switch {
	case now.IsZero() || now.Unix() <= 0:
		return &AnswerError{Op: opChanges, Reason: "no Date header"}
	case w.upper.After(now.Add(overlap)), w.until.After(now.Add(overlap)):
		return &WatermarkError{Reason: "future", Upper: w.upper, Now: now}
	case w.upper.Before(now.Add(-maxWatermarkAge)):
		return &WatermarkError{Reason: "ancient", Upper: w.upper, Now: now}
	}
	if w.until.IsZero() {
		w.until = now
	}
	return nil
}

// where keeps a plain range on the indexed stamp; only the tie within one stamp needs
// the id.
func (w *window) where() string {
	from, tie := w.from, ""
	if !w.stamp.IsZero() {
		from = w.stamp
		tie = " AND (SystemModstamp > " + soqlTime(from) + " OR Id > " + Quote(w.id) + ")"
	}
	cond := "SystemModstamp >= " + soqlTime(from)
	if !w.until.IsZero() {
		cond += " AND SystemModstamp < " + soqlTime(w.end())
	}
	return cond + tie
}

// advance moves to the end of the page and reports whether the window ends there.
func (w *window) advance(p fetched) (last bool, err error) {
	if len(p.users) == 0 {
		return true, nil
	}
	end := &p.users[len(p.users)-1]
	if end.SystemModstamp.Before(w.from) || end.SystemModstamp.Before(w.stamp) || end.ID == w.id && end.SystemModstamp.Equal(w.stamp) {
		return false, &AnswerError{Op: opChanges, Reason: "the page does not follow the one before"}
	}
	w.stamp, w.id = end.SystemModstamp, end.ID
	// The first page has no upper bound yet, so it may reach past the window.
	return !p.more || !end.SystemModstamp.Before(w.end()), nil
}

// end is what no row is read from: the end of the second that is under way, so that
// whoever asks for what has just happened is shown it, however many pages that is. The
// watermark does not count that second, which is read again with the next window.
func (w *window) end() time.Time { return w.until.Truncate(time.Second).Add(time.Second) }

func (w *window) mark(last bool) Watermark {
	if last {
		return Watermark{Upper: w.until}
	}
	return Watermark{Upper: w.upper, Until: w.until, Stamp: w.stamp, ID: w.id}
}
