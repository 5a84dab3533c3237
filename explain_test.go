package pxepilot_test

import (
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
)

// What is as deployed, and what is not.
func TestAsDeployed(t *testing.T) {
	reason, served, unserved := []string{"an absolute link"}, []pxepilot.Verification{{Served: true}, {Served: true}}, []pxepilot.Verification{{Served: true}, {}}
	local := pxepilot.Search{Configuration: "local"}
	for _, tt := range []struct {
		name     string
		deployed string
		searches []pxepilot.Search
		want     bool
	}{
		{"from every card", "local", []pxepilot.Search{local, local}, true},
		{"from one card", "local", []pxepilot.Search{local, {Configuration: "other"}}, false},
		{"from one card, else no configuration", "local", []pxepilot.Search{local, {}}, false},
		{"by no loader", "local", nil, false},
		{"nothing is", "", []pxepilot.Search{{}}, false},
		{"in doubt", "local", []pxepilot.Search{{Configuration: "local", Reasons: reason}}, false},
		{"the doubt is dispelled", "local", []pxepilot.Search{{Configuration: "local", Reasons: reason, Servers: served}}, true},
		{"nobody knows, whatever servers gave", "local", []pxepilot.Search{{Configuration: "local", Unsure: true, Reasons: reason, Servers: served}}, false},
		{"by each server", "local", []pxepilot.Search{{Configuration: "local", Servers: served}}, true},
		{"by one server", "local", []pxepilot.Search{{Configuration: "local", Servers: unserved}}, false},
		{"another one by each server", "local", []pxepilot.Search{{Configuration: "other", Servers: served}}, false},
	} {
		e := &pxepilot.Explanation{Status: &pxepilot.HostStatus{Configuration: tt.deployed}, Searches: tt.searches}
		if got := e.AsDeployed(); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
