package simorg

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
)

var errCut = errors.New("the answer is cut here")

// cutWriter passes on left bytes and then refuses.
type cutWriter struct {
	w    io.Writer
	left int
}

func (c *cutWriter) Write(p []byte) (int, error) {
	if len(p) <= c.left {
		c.left -= len(p)
		return c.w.Write(p)
	}
	n, err := c.w.Write(p[:c.left])
	c.left = 0
	if err == nil {
		err = errCut
	}
	return n, err
}

type countWriter struct{ n int }

func (c *countWriter) Write(p []byte) (int, error) {
	c.n += len(p)
	return len(p), nil
}

// length is how long a streamed body comes out.
func (o *Org) length(rep *reply, zipped bool) int {
	var n countWriter
	_ = o.pour(&n, rep, zipped) // a counter takes everything
	return n.n
}

// pour writes a streamed body.
func (o *Org) pour(w io.Writer, rep *reply, zipped bool) error {
	if !zipped {
		return rep.stream(w)
	}
	z := o.gzips.Get().(*gzip.Writer)
	defer o.gzips.Put(z)
	z.Reset(w)
	if err := rep.stream(z); err != nil {
		return err
	}
	return z.Close()
}

// writeStream sends a body that is made while it is sent, cut as the effect says.
func (o *Org) writeStream(w http.ResponseWriter, r *http.Request, rep *reply, eff *Effect) {
	zipped := acceptsGzip(r)
	if zipped {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Add("Vary", "Accept-Encoding")
	}
	w.WriteHeader(rep.status)
	if eff == nil || eff.Kind != Truncate {
		_ = o.pour(w, rep, zipped) // the client may have gone
		return
	}
	kept := eff.N
	if kept == 0 {
		kept = o.length(rep, zipped) / 2
	}
	if o.pour(&cutWriter{w, kept}, rep, zipped) != nil {
		_ = http.NewResponseController(w).Flush() // the client may have gone
		panic(http.ErrAbortHandler)               // cuts the connection in the middle of the body
	}
}

// cutStream ends the text of a streamed body early, in a well-framed answer.
func (e *Effect) cutStream(o *Org, rep *reply) {
	whole := rep.stream
	switch e.Kind {
	case EmptyBody:
		rep.stream = func(io.Writer) error { return nil }
	case CutBody:
		kept := e.kept(o.length(rep, false))
		rep.stream = func(w io.Writer) error {
			if err := whole(&cutWriter{w, kept}); !errors.Is(err, errCut) {
				return err
			}
			return nil
		}
	}
}
