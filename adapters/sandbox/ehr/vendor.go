package ehr

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// vendor is what one vendor's EHR does beside what its traits say: what it refuses, and what it keeps of what it takes. A
// rule's source is in the vendor's file.
type vendor struct {
	// refuse says what is wrong with a create or update, as the vendor says it; nil takes everything. It sees the body as it
	// came and must not change it.
	refuse func(w *write) *failure
	// admit does so where it takes a look at the chart. The caller holds mu.
	admit func(s *Server, w *write) *failure
	// keep changes a resource to what the vendor keeps of it, before it is committed. The caller holds mu, so that it may put
	// other resources on the chart.
	keep func(s *Server, w *write)
	// answer changes the answer of a create.
	answer func(resp *Response, v *version)
	// updates are the types that can be updated, of those the traits let be; nil is all of them.
	updates []string
	// params are what a type can be searched by; a type that is not here keeps all of R4's.
	params map[string][]string
	// search says what is wrong with a search whose parameters are all known; nil takes every one.
	search func(typ string, q url.Values) *failure
	// bare answers what is wrong with a body or a search with these words alone, and status 400; "" explains, as this sandbox does.
	bare string
	// silent answers a write with no body, whatever Prefer asks for.
	silent bool
}

// vendor gives the rules of the traits' vendor, none for none.
func (t Traits) vendor() vendor { return vendors[t.Vendor] }

// told is a refusal in the vendor's own words.
func (v vendor) told(f *failure) *failure {
	if v.bare != "" && (f.status == http.StatusBadRequest || f.status == http.StatusUnprocessableEntity) {
		return fail(http.StatusBadRequest, "invalid", "%s", v.bare)
	}
	return f
}

// vendors are the rules by the name in Traits.Vendor.
var vendors = map[string]vendor{
	"epic":     epic,
	"meditech": meditech,
	"oracle":   oracle,
}

// Vendors lists the names Traits.Vendor can have.
func Vendors() []string { return slices.Sorted(maps.Keys(vendors)) }

// refused asks the vendor's rules.
func (t Traits) refused(w *write) *failure {
	if v := vendors[t.Vendor]; v.refuse != nil {
		return v.refuse(w)
	}
	return nil
}

// admitted asks the vendor's rules about the chart. The caller holds mu.
func (s *Server) admitted(w *write) *failure {
	if v := vendors[s.traits.Vendor]; v.admit != nil {
		return v.admit(s, w)
	}
	return nil
}

// kept is what is put on the chart of a write. The caller holds mu.
func (s *Server) kept(w *write) resource {
	if v := vendors[s.traits.Vendor]; v.keep != nil {
		v.keep(s, w)
	}
	return w.resource
}
