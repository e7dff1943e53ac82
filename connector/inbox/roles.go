package inbox

import (
	"slices"

	"github.com/chartwire/chartwire/connector"
)

// The roles of a session besides connector.RoleClinician and RoleStaff.
const (
	ReadOnly connector.Role = "read_only" // sees what it may see in the EHR, and does nothing
	NoRole   connector.Role = "none"      // is not let in
)

// Roles says what a signed-in user may do, by the codes of their PractitionerRoles. A code may be written as system|code.
type Roles struct {
	Clinician []string       // read and reply in their own name
	Staff     []string       // read, reply as a pool and assign
	Default   connector.Role // of everyone else; "" is ReadOnly
}

// of gives the role of a user: the one that may do most where several apply.
func (r Roles) of(u User) connector.Role {
	has := func(codes []string) bool {
		return slices.ContainsFunc(codes, func(c string) bool { return slices.Contains(u.Codes, c) })
	}
	switch {
	case has(r.Clinician):
		return connector.RoleClinician
	case has(r.Staff):
		return connector.RoleStaff
	case r.Default == "":
		return ReadOnly
	}
	return r.Default
}

// poolsOf gives the ids of the pools a user is in: by the configuration, or as a member of the CareTeam that the pool is.
func (e EHR) poolsOf(u User) []string {
	var out []string
	for _, p := range e.Pools {
		known := slices.Contains(u.Teams, p.Reference) || slices.Contains(p.Members, u.Reference) ||
			slices.ContainsFunc(u.Also, func(ref string) bool { return slices.Contains(p.Members, ref) })
		if known {
			out = append(out, p.ID)
		}
	}
	return out
}
