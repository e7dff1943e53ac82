package r4

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestCarriableString(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       bool
	}{
		{"plain", "BP 98/60", true},
		{"empty", "", false},
		{"blank", " \t\r\n", false},
		{"no-break space only", "\u00a0\u2003", false},
		{"lines and tabs", "a\tb\r\nc\n", true},
		{"surrounding white space", "  a \n", true},
		{"emoji", "👍🏽", true},
		{"right-to-left override", "a\u202eb", true},
		{"html and er7", `<b>&amp;</b>|^~\&`, true},
		{"line separator", "a\u2028b", true},
		{"NUL", "a\x00", false},
		{"bell", "a\ab", false},
		{"vertical tab", "a\vb", false},
		{"DEL", "a\x7f", false},
		{"C1 control", "a\u0085b", false},
		{"noncharacter FFFE", "a\ufffe", false},
		{"noncharacter FDD0", "a\ufdd0", false},
		{"plane-end noncharacter", "a\U0001ffff", false},
		{"replacement character", "a\ufffd", true},
		{"not UTF-8", "a\xff", false},
		{"lone surrogate bytes", "a\xed\xa0\x80", false},
		{"1 MiB", strings.Repeat("a", MaxStringBytes), true},
		{"over 1 MiB", strings.Repeat("a", MaxStringBytes+1), false},
	} {
		if got := CarriableString(c.text); got != c.want {
			t.Errorf("%s: CarriableString = %v, want %v", c.name, got, c.want)
		}
	}
}

func TestTextPayloadKeepsEveryByte(t *testing.T) {
	for _, text := range []string{"hello", " \n", "a\x00b", "x\u0085", "a\xffb"} {
		p := TextPayload(text, time.Time{})
		if p.String != nil {
			if *p.String != text {
				t.Errorf("%q became %q", text, *p.String)
			}
			continue
		}
		raw, err := Marshal(struct {
			ResourceType string    `json:"resourceType"`
			Payload      []Payload `json:"payload"`
		}{"Communication", []Payload{p}})
		if err != nil {
			t.Fatal(err)
		}
		echo, err := ReadEcho(raw)
		if err != nil || len(echo.Attachments) != 1 || !bytes.Equal(echo.Attachments[0].Data, []byte(text)) {
			t.Errorf("%q did not survive as an attachment: %v", text, err)
		}
	}
}
