package crm

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/rosterd/rosterd/crm/simorg"
)

// split reads a whole document with csvReader.
func split(r io.Reader) ([][]string, error) {
	var in csvReader
	in.reset(r)
	var rows [][]string
	for {
		more, err := in.more()
		if err != nil || !more {
			return rows, err
		}
		var row []string
		for last := false; !last; {
			var cell []byte
			if cell, last, err = in.cell(); err != nil {
				return rows, err
			}
			row = append(row, string(cell))
		}
		rows = append(rows, row)
	}
}

func TestCSVReader(t *testing.T) {
	long := strings.Repeat("x\"\"", 100_000)
	for _, c := range []struct {
		name, in string
		want     [][]string
		err      error
	}{
		{"nothing", "", nil, nil},
		{"one cell", "\"a\"\n", [][]string{{"a"}}, nil},
		{"empty cells", "\"\",\"\"\n", [][]string{{"", ""}}, nil},
		{"quotes", "\"\"\"\",\"a\"\"b\"\n", [][]string{{`"`, `a"b`}}, nil},
		{"line ends inside", "\"a\r\nb\nc\rd\"\r\n\"e\"\n", [][]string{{"a\r\nb\nc\rd"}, {"e"}}, nil},
		{"separators inside", "\"a,b\",\"c\"\n", [][]string{{"a,b", "c"}}, nil},
		{"bare", "a,,b\r\n,\n", [][]string{{"a", "", "b"}, {"", ""}}, nil},
		{"long", "\"" + long + "\"\n", [][]string{{strings.ReplaceAll(long, `""`, `"`)}}, nil},
		{"cut before the line end", "\"a\"", nil, io.ErrUnexpectedEOF},
		{"cut inside a doubled quote", "\"abc\"", nil, io.ErrUnexpectedEOF},
		{"cut inside a value", "\"abc", nil, io.ErrUnexpectedEOF},
		{"cut behind a separator", "\"abc\",", nil, io.ErrUnexpectedEOF},
		{"cut inside a bare value", "abc", nil, io.ErrUnexpectedEOF},
		{"text behind a quote", "\"a\"b\n", nil, errShape},
		{"a lone carriage return", "\"a\"\rb\n", nil, errShape},
		{"a quote in a bare value", "a\"b\n", nil, errShape},
		{"a value without end", "\"" + strings.Repeat("x", maxCell), nil, errShape},
	} {
		for name, r := range map[string]io.Reader{"at once": strings.NewReader(c.in), "byte by byte": iotest.OneByteReader(strings.NewReader(c.in))} {
			got, err := split(r)
			if !errors.Is(err, c.err) || c.err == nil && !slices.EqualFunc(got, c.want, slices.Equal) {
				t.Errorf("%s, %s: got %.100q %v", c.name, name, got, err)
			}
		}
	}
}

// FuzzCSVReader compares with encoding/csv, which differs in \r\n alone.
func FuzzCSVReader(f *testing.F) {
	for _, s := range []string{"a", "a,b\nc,d", "\"\n", "é\x00\xff", ",,\n\n", "\"\"a"} {
		f.Add(s, uint8(3))
	}
	f.Fuzz(func(t *testing.T, text string, width uint8) {
		text = strings.ReplaceAll(text, "\r", "")
		cells := strings.Split(text, ",")
		n := int(width)%len(cells) + 1
		var doc bytes.Buffer
		var want [][]string
		for row := range slices.Chunk(cells, n) {
			for len(row) < n {
				row = append(slices.Clip(row), "")
			}
			want = append(want, row)
			for i, c := range row {
				if i > 0 {
					doc.WriteByte(',')
				}
				doc.WriteString(`"` + strings.ReplaceAll(c, `"`, `""`) + `"`)
			}
			doc.WriteByte('\n')
		}
		got, err := split(iotest.HalfReader(bytes.NewReader(doc.Bytes())))
		if err != nil || !slices.EqualFunc(got, want, slices.Equal) {
			t.Fatalf("got %q %v, want %q", got, err, want)
		}
		other, err := csv.NewReader(bytes.NewReader(doc.Bytes())).ReadAll()
		if err != nil || !slices.EqualFunc(got, other, slices.Equal) {
			t.Fatalf("got %q, encoding/csv %q %v", got, other, err)
		}
		// Whatever is fed in must not read as more than was there.
		if _, err := split(strings.NewReader(text)); err == nil && text != "" && !strings.HasSuffix(text, "\n") {
			t.Fatalf("%q has no end, and was read", text)
		}
	})
}

// BenchmarkBothWays reads the same 10,000 users, as they come by REST and in bulk.
func BenchmarkBothWays(b *testing.B) {
	w := bulkWorld(b, simorg.Options{Users: 10_000, Seed: 2}, Options{})
	fields := w.fields(b)
	sel, err := newSelection(fields, nil)
	if err != nil {
		b.Fatal(err)
	}
	pages, doc := bodies(b, w, sel)
	run := func(name string, read func() int) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if n := read(); n < 9_000 {
					b.Fatalf("%d users", n)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/user")
		})
	}
	users := make([]User, 0, 2000)
	run("rest", func() (n int) {
		d := newDecoder(sel)
		for _, p := range pages {
			got, _, err := d.page(bytes.NewReader(p), users[:0], maxPage+1)
			if err != nil {
				b.Fatal(err)
			}
			n += len(got)
		}
		return n
	})
	run("bulk", func() (n int) {
		d := newCSVDecoder(sel, nil)
		if err := d.begin(bytes.NewReader(doc)); err != nil {
			b.Fatal(err)
		}
		var u User
		for more, err := d.more(); more; more, err = d.more() {
			u = User{}
			if err != nil || d.row(&u) != nil {
				b.Fatal(err)
			}
			n++
		}
		return n
	})
	run("encoding-csv-split-only", func() (n int) {
		in := csv.NewReader(bytes.NewReader(doc))
		in.ReuseRecord = true
		for {
			if _, err := in.Read(); err != nil {
				return n
			}
			n++
		}
	})
}

// bodies are the answers that hold all users, by REST and in bulk.
func bodies(b *testing.B, w *world, sel *selection) (pages [][]byte, doc []byte) {
	b.Helper()
	w.org.SetBulkDelay(0)
	for after := ID("000000000000000"); ; {
		soql := "SELECT " + sel.list + " FROM User WHERE Id > '" + after + "' ORDER BY Id LIMIT 2000"
		body := raw(b, w, w.queryRequest(opSnapshot, soql, maxPage))
		got, _, err := newDecoder(sel).page(bytes.NewReader(body), nil, maxPage)
		if err != nil {
			b.Fatal(err)
		}
		if pages = append(pages, body); len(got) < maxPage {
			break
		}
		after = got[len(got)-1].ID
	}
	job, err := w.createJob(b.Context(), sel)
	if err != nil {
		b.Fatal(err)
	}
	return pages, raw(b, w, request{op: opBulkRows, path: w.jobPath(job) + "/results"})
}

func raw(b *testing.B, w *world, r request) (body []byte) {
	b.Helper()
	_, err := w.call(b.Context(), r, func(resp *http.Response) (err error) {
		body, err = io.ReadAll(resp.Body)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return body
}
