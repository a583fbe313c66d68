package directory

// foresight is what a dry run remembers from one batch to the next: it goes
// through its users a page at a time, and each page must find the seats and
// names that those before it would have taken or let go.
type foresight struct {
	pools  map[string]*pool
	admins int                      // how many more administrators there would be
	keys   [slots]map[string]holder // one without id is free
}

// foresee has a batch of a dry run find what stood in the directory if the
// batches before it had been written.
func (b *batch) foresee() {
	if b.before == nil {
		return
	}
	for s, keys := range b.before.keys {
		for k, h := range keys {
			if h.id == "" {
				delete(b.held[s], k)
			} else {
				b.held[s][k] = h
			}
		}
	}
}

// keep remembers what a batch that was decided would have written.
func (f *foresight) keep(b *batch) {
	f.pools = b.pools
	for _, e := range b.touched {
		switch before, after := !e.created && administers(&e.was), administers(&e.is); {
		case before && !after:
			f.admins--
		case after && !before:
			f.admins++
		}
		was, is := keys(&e.was), keys(&e.is)
		for s := range slots {
			if was[s] == is[s] && !e.created {
				continue
			}
			if f.keys[s] == nil {
				f.keys[s] = make(map[string]holder)
			}
			if k := was[s]; k != "" && b.held[s][k].id == "" {
				f.keys[s][k] = holder{}
			}
			if h := b.held[s][is[s]]; h.id != "" {
				f.keys[s][is[s]] = holder{id: h.id, yields: h.yields}
			}
		}
	}
}
