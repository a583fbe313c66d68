package sync

import (
	"context"
	"iter"

	"golang.org/x/sync/errgroup"
)

// judgedAtOnce is how many users are judged, and mostly changed, at a time.
// Beginning and ending a change costs Postgres a dozen round trips, and SQLite
// none, whose memory is ours.
func (p *pass) judgedAtOnce() int {
	if p.e.db.Postgres() {
		return 2 * chunk
	}
	return chunk
}

// ahead yields what the mirror's rows that are not settled mean, a page at a
// time. A page is read and judged while the one before is being worked on: the
// judging is ours to do and the working on it mostly the database's. Whoever
// changed since a page was read is seen when the change of them is made.
func (p *pass) ahead(ctx context.Context) iter.Seq2[[]Desired, error] {
	return func(yield func([]Desired, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		pages := make(chan []Desired)
		var reader errgroup.Group
		reader.Go(func() error {
			defer close(pages)
			return p.judgeAll(ctx, pages)
		})
		for page := range pages {
			if !yield(page, nil) {
				cancel()
				_ = reader.Wait() // only that it was canceled
				return
			}
		}
		if err := reader.Wait(); err != nil {
			yield(nil, err)
		}
	}
}

// judgeAll sends pages until all are sent or the context ends.
func (p *pass) judgeAll(ctx context.Context, to chan<- []Desired) error {
	most := p.judgedAtOnce()
	var page []Desired
	send := func() error {
		select {
		case to <- page:
			page = make([]Desired, 0, most)
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for r, err := range p.rows(ctx) {
		if err != nil {
			return err
		}
		if page = append(page, p.cfg.judge(&r, p.fields)); len(page) == most {
			if err := send(); err != nil {
				return err
			}
		}
	}
	if len(page) == 0 {
		return nil
	}
	return send()
}
