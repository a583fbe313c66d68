package crm

import (
	"bytes"
	"errors"
	"io"
)

// maxCell bounds one value of a CSV page: the longest text that Salesforce stores
// has 131,072 characters.
const maxCell = 4 << 20

// csvReader splits CSV as Salesforce writes it. It is not encoding/csv, because that
// turns \r\n inside a value into \n, so that an address read in bulk would differ
// from the same one read by REST, and makes a string of every value. It is also
// stricter: a document must end with the end of a row, since one that was cut off
// inside a doubled quote would otherwise end in a wrong value.
type csvReader struct {
	r       io.Reader
	buf     []byte
	at, end int   // what is unread of buf
	err     error // of r
	scratch []byte
}

func (c *csvReader) reset(r io.Reader) {
	if c.buf == nil {
		c.buf = make([]byte, 64<<10)
	}
	c.r, c.at, c.end, c.err = r, 0, 0, nil
}

// fill reads more behind what is unread, which moves to the front.
func (c *csvReader) fill() error {
	if c.err != nil {
		return c.err
	}
	if c.at > 0 {
		c.end = copy(c.buf, c.buf[c.at:c.end])
		c.at = 0
	}
	if c.end == len(c.buf) {
		if len(c.buf) >= maxCell {
			return shape("a value of more than %d bytes", maxCell)
		}
		c.buf = append(c.buf, make([]byte, len(c.buf))...)
	}
	for range 100 {
		n, err := c.r.Read(c.buf[c.end:])
		c.end, c.err = c.end+n, err
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// have makes sure that n bytes are unread.
func (c *csvReader) have(n int) error {
	for c.end-c.at < n {
		if err := c.fill(); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// more reports whether another row begins here, or the document ends.
func (c *csvReader) more() (bool, error) {
	if c.at < c.end {
		return true, nil
	}
	if err := c.fill(); !errors.Is(err, io.EOF) {
		return err == nil, err
	}
	return false, nil
}

// cell reads one value, which is valid until the next call, and says whether it is
// the last of its row.
func (c *csvReader) cell() (text []byte, last bool, err error) {
	if err := c.have(1); err != nil {
		return nil, false, err
	}
	if c.buf[c.at] != '"' {
		return c.bare()
	}
	n, doubled := 1, false // n bytes from at on are known to be of this value
	for {
		k := bytes.IndexByte(c.buf[c.at+n:c.end], '"')
		if k < 0 {
			n = c.end - c.at
			if err := c.have(n + 1); err != nil {
				return nil, false, err
			}
			continue
		}
		n += k + 1
		if err := c.have(n + 1); err != nil {
			return nil, false, err
		}
		if c.buf[c.at+n] != '"' {
			break
		}
		doubled = true
		n++
	}
	sep, last, err := c.separator(n)
	if err != nil {
		return nil, false, err
	}
	text = c.buf[c.at+1 : c.at+n-1]
	c.at += n + sep
	if doubled {
		text = c.single(text)
	}
	return text, last, nil
}

// separator is what stands n bytes from here.
func (c *csvReader) separator(n int) (size int, last bool, err error) {
	switch c.buf[c.at+n] {
	case ',':
		return 1, false, nil
	case '\n':
		return 1, true, nil
	case '\r':
		if err := c.have(n + 2); err != nil {
			return 0, false, err
		}
		if c.buf[c.at+n+1] == '\n' {
			return 2, true, nil
		}
	}
	return 0, false, shape("text behind a quoted value")
}

// single makes one quote of two.
func (c *csvReader) single(text []byte) []byte {
	c.scratch = c.scratch[:0]
	for {
		k := bytes.IndexByte(text, '"')
		if k < 0 {
			c.scratch = append(c.scratch, text...)
			return c.scratch
		}
		c.scratch = append(c.scratch, text[:k+1]...)
		text = text[k+2:]
	}
}

// bare reads a value without quotes, which Salesforce does not write.
func (c *csvReader) bare() (text []byte, last bool, err error) {
	for n := 0; ; n++ {
		if err := c.have(n + 1); err != nil {
			return nil, false, err
		}
		switch c.buf[c.at+n] {
		case '"':
			return nil, false, shape("a quote inside a value without quotes")
		case ',', '\n':
			text, last = c.buf[c.at:c.at+n], c.buf[c.at+n] == '\n'
			c.at += n + 1
			if last {
				text = bytes.TrimSuffix(text, []byte("\r"))
			}
			return text, last, nil
		}
	}
}
