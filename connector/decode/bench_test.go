package decode

import (
	"encoding/json"
	"strings"
	"testing"
)

var event = []byte(`{"type":"message.created","data":{"messages":[{"id":"msg_0123456789","sent_at":"2026-03-08T01:59:59.5-06:00",` +
	`"kind":"text","urgent":false,"size":512,"raw":{"text":"` + strings.Repeat("I have a question about my dose. ", 15) + `"},` +
	`"reply":{"id":"msg_0123456788","kind":"photo"}}],"tags":{"a":"b","c":"d"}}}`)

func BenchmarkStrict(b *testing.B) {
	b.SetBytes(int64(len(event)))
	b.ReportAllocs()
	for b.Loop() {
		var v body
		if _, err := Strict(event, &v, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckOnly(b *testing.B) {
	b.SetBytes(int64(len(event)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Strict(event, nil, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodingJSON(b *testing.B) {
	b.SetBytes(int64(len(event)))
	b.ReportAllocs()
	for b.Loop() {
		var v body
		if err := json.Unmarshal(event, &v); err != nil {
			b.Fatal(err)
		}
	}
}
