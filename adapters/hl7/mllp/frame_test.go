package mllp

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

const large = 10_000 // over the buffer of a reader

// all reads every message of a stream, and why it ended.
func all(r *Reader) (messages []string, err error) {
	for {
		m, err := r.Next()
		if err != nil {
			return messages, err
		}
		messages = append(messages, string(m))
	}
}

// TestReader: what each stream holds, read at once, a byte at a time, and in halves.
func TestReader(t *testing.T) {
	long := strings.Repeat("x", large)
	for name, c := range map[string]struct {
		in      string
		want    []string
		err     error
		skip    []int // what is told where garbage is passed over
		skipped []string
	}{
		"nothing":                   {in: "", err: io.EOF},
		"one":                       {in: "\x0bMSH\x1c\r", want: []string{"MSH"}, err: io.EOF},
		"two in one read":           {in: "\x0ba\rb\r\x1c\r\x0bc\x1c\r", want: []string{"a\rb\r", "c"}, err: io.EOF},
		"empty":                     {in: "\x0b\x1c\r", want: []string{""}, err: io.EOF},
		"long":                      {in: "\x0b" + long + "\x1c\r\x0bc\x1c\r", want: []string{long, "c"}, err: io.EOF},
		"LF behind the trailer":     {in: "\x0ba\x1c\r\n\x0bb\x1c\r\n", want: []string{"a", "b"}, err: io.EOF},
		"LF first":                  {in: "\n\x0ba\x1c\r", err: ErrGarbage, skip: []int{1}, skipped: []string{"a"}},
		"two LF":                    {in: "\x0ba\x1c\r\n\n\x0bb\x1c\r", want: []string{"a"}, err: ErrGarbage, skip: []int{1}, skipped: []string{"a", "b"}},
		"garbage before":            {in: "GET / HTTP/1.1\r\n\x0ba\x1c\r", err: ErrGarbage, skip: []int{16}, skipped: []string{"a"}},
		"garbage between":           {in: "\x0ba\x1c\rxyz\x0bb\x1c\r", want: []string{"a"}, err: ErrGarbage, skip: []int{3}, skipped: []string{"a", "b"}},
		"garbage at the end":        {in: "\x0ba\x1c\r\x1c\r", want: []string{"a"}, err: ErrGarbage, skip: []int{2}, skipped: []string{"a"}},
		"too much garbage":          {in: strings.Repeat("x", large+9), err: ErrGarbage, skip: []int{large + 1}},
		"cut after the start":       {in: "\x0b", err: io.ErrUnexpectedEOF},
		"cut within":                {in: "\x0ba\x1c\r\x0bMSH", want: []string{"a"}, err: io.ErrUnexpectedEOF},
		"cut in the trailer":        {in: "\x0bMSH\x1c", err: io.ErrUnexpectedEOF},
		"a frame within a frame":    {in: "\x0bMS\x0bMSH\x1c\r", err: ErrTorn},
		"an end block without CR":   {in: "\x0bMSH\x1cx\r", err: ErrTorn},
		"two end blocks":            {in: "\x0bMSH\x1c\x1c\r", err: ErrTorn},
		"as large as it may be":     {in: "\x0b" + strings.Repeat("x", large+1) + "\x1c\r", want: []string{strings.Repeat("x", large+1)}, err: io.EOF},
		"larger":                    {in: "\x0b" + strings.Repeat("x", large+2) + "\x1c\r", err: ErrTooLarge},
		"larger, and not to an end": {in: "\x0b" + strings.Repeat("x", 3*large), err: ErrTooLarge},
	} {
		for kind, wrap := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "by bytes": iotest.OneByteReader, "in halves": iotest.HalfReader, "EOF with data": iotest.DataErrReader,
		} {
			r := NewReader(wrap(strings.NewReader(c.in)), large+1)
			got, err := all(r)
			if !slices.Equal(got, c.want) || !errors.Is(err, c.err) {
				t.Errorf("%s, %s: %d messages %.40q (%v), want %d (%v)", name, kind, len(got), got, err, len(c.want), c.err)
			}
			if _, again := r.Next(); !errors.Is(again, err) {
				t.Errorf("%s, %s: after %v comes %v", name, kind, err, again)
			}
			if c.skip == nil {
				continue
			}
			var told []int
			r = NewReader(wrap(strings.NewReader(c.in)), large+1)
			r.Skipped = func(n int) { told = append(told, n) }
			got, _ = all(r)
			if !slices.Equal(got, c.skipped) || !slices.Equal(told, c.skip) {
				t.Errorf("%s, %s: passing over garbage gives %.40q and tells %v", name, kind, got, told)
			}
		}
	}
}

// TestReaderGivesAMessageBeforeMoreComes: a frame is had as soon as its CR is there; nothing waits for what may follow.
func TestReaderGivesAMessageBeforeMoreComes(t *testing.T) {
	in, out := io.Pipe()
	go func() { _, _ = out.Write([]byte("\x0ba\x1c\r")) }()
	if m, err := NewReader(in, 0).Next(); string(m) != "a" || err != nil {
		t.Errorf("%q (%v)", m, err)
	}
}

func TestReaderTellsTheStreamsError(t *testing.T) {
	broken := errors.New("broken")
	for _, sent := range []string{"", "\x0b", "\x0bx", "\x0bx\x1c"} {
		if _, err := NewReader(io.MultiReader(strings.NewReader(sent), iotest.ErrReader(broken)), 0).Next(); !errors.Is(err, broken) {
			t.Errorf("%q: %v", sent, err)
		}
	}
}

func TestFrame(t *testing.T) {
	got, err := Frame([]byte("MSH|\rPID|\r"))
	if string(got) != "\x0bMSH|\rPID|\r\x1c\r" || err != nil {
		t.Errorf("%q (%v)", got, err)
	}
	for _, bad := range []string{"", "\x0b", "\x1c", "MSH|\r\x1c\r\x0bMSH|"} {
		if got, err := Frame([]byte(bad)); !errors.Is(err, ErrUnsendable) || got != nil {
			t.Errorf("%q was framed as %q (%v)", bad, got, err)
		}
	}
}

// FuzzReader: however a stream is cut into reads, the same messages come out of it, each one that was framed, and the frames
// of what comes out are read as the same again.
func FuzzReader(f *testing.F) {
	for _, s := range []string{"\x0ba\x1c\r", "\x0ba\x1c\r\n\x0bb\rc\x1c\r", "x\x0b\x1c", "\x0b\x0b\x1c\r", "\x0ba\x1cb\x1c\r"} {
		f.Add([]byte(s), uint8(1), false)
		f.Add([]byte(s), uint8(3), true)
	}
	f.Fuzz(func(t *testing.T, stream []byte, size uint8, skip bool) {
		const limit = 64
		read := func(in io.Reader) ([]string, error, int) {
			told := 0
			r := NewReader(in, limit)
			if skip {
				r.Skipped = func(n int) { told += n }
			}
			m, err := all(r)
			return m, err, told
		}
		once, err, told := read(bytes.NewReader(stream))
		cut, cutErr, cutTold := read(&pieces{bytes.NewReader(stream), int(size%7) + 1})
		if !slices.Equal(once, cut) || !errors.Is(cutErr, err) || told != cutTold {
			t.Fatalf("at once %q (%v, %d skipped), in pieces %q (%v, %d skipped)", once, err, told, cut, cutErr, cutTold)
		}
		var again []byte
		for _, m := range once {
			if len(m) > limit || strings.ContainsAny(m, "\x0b\x1c") || !bytes.Contains(stream, []byte("\x0b"+m+"\x1c\r")) {
				t.Fatalf("%q was not framed in %q", m, stream)
			}
			if m != "" {
				framed, err := Frame([]byte(m))
				if err != nil {
					t.Fatal(err)
				}
				again = append(again, framed...)
			}
		}
		back, _, _ := read(bytes.NewReader(again))
		if want := slices.DeleteFunc(slices.Clone(once), func(m string) bool { return m == "" }); !slices.Equal(back, want) {
			t.Fatalf("%q framed again reads as %q", want, back)
		}
	})
}

// pieces reads at most size bytes at once.
type pieces struct {
	in   io.Reader
	size int
}

func (p *pieces) Read(b []byte) (int, error) { return p.in.Read(b[:min(len(b), p.size)]) }
