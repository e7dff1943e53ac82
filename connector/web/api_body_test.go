package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestIdempotencyKey(t *testing.T) {
	w := asked(t)
	var first, again, other sent
	w.api("desk", http.MethodPost, reply, `{"text":"One."}`, "Idempotency-Key", "k-1").want(t, 201, "").into(t, &first)
	w.api("desk", http.MethodPost, reply, `{"text":"One."}`, "Idempotency-Key", "k-1").want(t, 200, "").into(t, &again)
	if first != again {
		t.Errorf("answered %+v, then %+v", first, again)
	}
	if n := w.sends(first.Thread); n != 1 {
		t.Errorf("%d sends are queued", n)
	}
	w.api("desk", http.MethodPost, reply, `{"text":"Two."}`, "Idempotency-Key", "k-1").want(t, 422, "idempotency-key")
	w.api("desk", http.MethodPost, reply, `{"text":"One."}`).want(t, 201, "").into(t, &other)
	if other.Client == first.Client {
		t.Error("two calls without a key are one message")
	}
	w.api("many", http.MethodPost, reply, `{"text":"One.","act_as":"`+ben+`"}`, "Idempotency-Key", "k-1").want(t, 201, "").into(t, &other)
	if other.Client == first.Client {
		t.Error("two callers share their keys")
	}
}

// TestIdempotencyKeyOfTwoPatients: a program that uses one key for two patients must reach both.
func TestIdempotencyKeyOfTwoPatients(t *testing.T) {
	w := newWorld(t)
	var theo, again, amara sent
	body := `{"channel":"texting","text":"Your visit is tomorrow."}`
	w.api("desk", http.MethodPost, "/api/v1/patients/pt-theo/threads", body, "Idempotency-Key", "k").want(t, 201, "").into(t, &theo)
	w.api("desk", http.MethodPost, "/api/v1/patients/pt-theo/threads", body, "Idempotency-Key", "k").want(t, 200, "").into(t, &again)
	w.api("desk", http.MethodPost, "/api/v1/patients/pt-amara/threads", body, "Idempotency-Key", "k").want(t, 201, "").into(t, &amara)
	if theo != again || theo.Thread == amara.Thread {
		t.Errorf("answered %+v, %+v, %+v", theo, again, amara)
	}
}

func TestBodies(t *testing.T) {
	w := asked(t)
	eleven := strings.Repeat(`{"id":"a","content_type":"text/plain","data":"eA=="},`, 11)
	for _, c := range []struct {
		name, body    string
		status        int
		code, pointer string
	}{
		{"unknown field", `{"text":"x","txet":"y"}`, 400, "body", "/txet"},
		{"a field of the other call", `{"text":"x","channel":"texting"}`, 400, "body", "/channel"},
		{"another case", `{"Text":"x"}`, 400, "body", "/Text"},
		{"twice", `{"text":"x","text":"y"}`, 400, "body", "/text"},
		{"cut off", `{"text":"x"`, 400, "body", ""},
		{"two values", `{"text":"x"}{"text":"y"}`, 400, "body", ""},
		{"not an object", `[]`, 400, "body", ""},
		{"wrong type", `{"text":1}`, 400, "body", "/text"},
		{"not base64", `{"attachments":[{"id":"a","content_type":"text/plain","data":"%"}]}`, 400, "body", "/attachments/0/data"},
		{"invalid UTF-8", "{\"text\":\"\xff\"}", 400, "body", "/text"},
		{"empty", `{}`, 422, "body", "/text"},
		{"too long", `{"text":"` + strings.Repeat("é", 20001) + `"}`, 422, "body", "/text"},
		{"eleven files", `{"attachments":[` + strings.TrimSuffix(eleven, ",") + `]}`, 422, "body", "/attachments"},
		{"a file without data", `{"attachments":[{"id":"a","content_type":"text/plain"}]}`, 422, "body", "/attachments/0"},
		{"two files of one id", `{"attachments":[` + eleven[:2*len(eleven)/11-1] + `]}`, 422, "body", "/attachments/1/id"},
		{"encounter", `{"text":"x","encounter":"Patient/1"}`, 422, "body", "/encounter"},
		{"priority", `{"text":"x","priority":"now"}`, 422, "body", "/priority"},
		{"staff as recipient", `{"text":"x","recipients":[{"role":"staff","id":"s"}]}`, 422, "body", "/recipients/0/role"},
		{"proxy without id", `{"text":"x","recipients":[{"role":"patient","id":"u-1"},{"role":"proxy","name":"Mum"}]}`, 422, "body", "/recipients/1/id"},
		{"patient without id", `{"text":"x","recipients":[{"role":"patient","name":"Theo"}]}`, 422, "body", "/recipients/0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.api("desk", http.MethodPost, reply, c.body).want(t, c.status, c.code)
			if a.problem.Pointer != c.pointer {
				t.Errorf("the pointer is %q, want %q", a.problem.Pointer, c.pointer)
			}
		})
	}
	for body, pointer := range map[string]string{
		`{"text":"x"}`: "/channel", `{"channel":"texting","text":"x","topic":"gossip"}`: "/topic",
		`{"channel":"texting","text":"x","subject":"` + strings.Repeat("x", 256) + `"}`: "/subject", `{"channel":"texting"}`: "/text",
	} {
		if a := w.api("desk", http.MethodPost, "/api/v1/patients/pt-theo/threads", body).want(t, 422, "body"); a.problem.Pointer != pointer {
			t.Errorf("%s: the pointer is %q, want %q", body, a.problem.Pointer, pointer)
		}
	}
	w.api("desk", http.MethodPost, "/api/v1/patients/pt-theo/threads", `{"channel":`).want(t, 400, "body")
	if n := w.sends(w.thread("texting", "t-1").ID); n != 0 {
		t.Errorf("%d refused bodies were sent", n)
	}
	// 20,000 characters are not 20,000 bytes.
	w.api("desk", http.MethodPost, reply, `{"text":"`+strings.Repeat("é", 20000)+`"}`).want(t, 201, "")
}

func TestBodiesThatAreNotJSON(t *testing.T) {
	w := asked(t)
	for _, path := range []string{reply, "/api/v1/patients/pt-theo/threads"} {
		for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"} {
			w.do(http.MethodPost, path, `{"text":"x"}`, "Authorization", "Bearer desk", "Content-Type", kind).want(t, 415, "content-type")
		}
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(`{"text":"x"}`))
		r.ContentLength = 41 << 20
		r.Header.Set("Authorization", "Bearer desk")
		r.Header.Set("Content-Type", "application/json")
		w.send(r, "").want(t, 413, "size")
	}
	w.do(http.MethodPost, reply, `{"text":"x"}`, "Authorization", "Bearer desk", "Content-Type", "application/json; charset=utf-8").want(t, 201, "")
}
