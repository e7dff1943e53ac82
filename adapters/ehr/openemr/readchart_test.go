package openemr

import (
	"errors"
	"slices"
	"testing"

	"github.com/chartwire/chartwire/connector"
)

// TestReadChart: a document is known by its name alone, so it is said to be ours where its identity is known or asked for.
func TestReadChart(t *testing.T) {
	l := opened(t, setting{open: true})
	files := []connector.Attachment{{ID: "a-1", Filename: "rash.png", ContentType: "image/png", Data: picture}}
	writes := l.writes(t, "exact words", files...)
	if len(writes) != 2 {
		t.Fatalf("%d writes", len(writes))
	}
	var refs []string
	for _, w := range writes {
		r, err := l.adapter.File(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, r.Reference)
	}
	note, file := writes[0].Identity, writes[1].Identity
	for name, c := range map[string]struct {
		q    connector.ChartQuery
		want []string
		err  error
	}{
		"known":             {connector.ChartQuery{Type: kind, Patient: "Patient/daniel", Channels: []string{"texting"}, Known: []connector.Identifier{note, file}}, refs, nil},
		"one is known":      {connector.ChartQuery{Type: kind, Patient: "Patient/daniel", Known: []connector.Identifier{file}}, refs[1:], nil},
		"none is known":     {connector.ChartQuery{Type: kind, Patient: "Patient/daniel"}, nil, nil},
		"of an identity":    {connector.ChartQuery{Type: kind, Identity: note, Patient: "Patient/daniel"}, refs[:1], nil},
		"another's chart":   {connector.ChartQuery{Type: kind, Identity: note, Patient: "Patient/other"}, nil, nil},
		"on any chart":      {connector.ChartQuery{Type: kind, Identity: note}, nil, connector.ErrNotSearchable},
		"by the channels":   {connector.ChartQuery{Type: kind, Channels: []string{"texting"}}, nil, connector.ErrNotSearchable},
		"a reference":       {connector.ChartQuery{Type: kind, Reference: refs[1]}, refs[1:], nil},
		"one that is gone":  {connector.ChartQuery{Type: kind, Reference: kind + "/gone"}, nil, connector.ErrAbsent},
		"what we never are": {connector.ChartQuery{Type: "Communication", Patient: "Patient/daniel"}, nil, connector.ErrNotSearchable},
	} {
		page, err := l.adapter.ReadChart(t.Context(), c.q)
		var got []string
		for _, x := range page.Entries {
			got = append(got, x.Reference)
			if c.q.Reference == "" && (len(x.Ours) != 1 || x.Beside != 1) {
				t.Errorf("%s: %s is of %v, with %d beside it", name, x.Reference, x.Ours, x.Beside)
			}
			w := writes[slices.Index(refs, x.Reference)]
			if r := l.adapter.ShowEntry(t.Context(), w, x); !r.Echo.Shown || !slices.Contains(r.Echo.Identities, w.Identity) || r.Echo.Text != w.Expect.Text ||
				!slices.Equal(r.Echo.Attachments, w.Expect.Attachments) {
				t.Errorf("%s: it shows %+v", name, r.Echo)
			}
			if r := l.adapter.ShowEntry(t.Context(), writes[1-slices.Index(refs, x.Reference)], x); len(r.Echo.Identities) != 0 {
				t.Errorf("%s: under another name it is %v", name, r.Echo.Identities)
			}
		}
		slices.Sort(got)
		want := slices.Sorted(slices.Values(c.want))
		if !errors.Is(err, c.err) || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v, %v", name, got, err, want, c.err)
		}
	}
}
