package lab

import (
	"strings"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

// reads are requests by TFTP, of names with spaces in between.
func reads(names string) []Request {
	var requests []Request
	for _, name := range strings.Fields(names) {
		requests = append(requests, Request{Method: "READ", Path: name})
	}
	return requests
}

func TestCompare(t *testing.T) {
	s := apiv1.Search{Asks: []apiv1.Ask{
		{Paths: []string{"cfg/u1", "cfg/u2"}, By: "uuid", Asked: true},
		{Paths: []string{"cfg/mac"}, By: "mac", Asked: true},
		{Pattern: "cfg/default-<arch>", By: "default", Asked: true},
		{Pattern: "cfg/default-<arch>-<board>", By: "default", Asked: true},
		{Paths: []string{"cfg/default"}, By: "default"},
	}}
	unsure := apiv1.Search{Asks: []apiv1.Ask{
		{Pattern: "cfg/<UUID>", By: "uuid", Asked: true},
		{Paths: []string{"cfg/mac"}, By: "mac", Asked: true},
	}}
	there := map[string]bool{"loader": true, "kernel": true}
	for _, tt := range []struct{ asked, want string }{
		{"loader cfg/u1 cfg/mac kernel", ""},
		{"loader loader cfg/u2 cfg/mac cfg/mac kernel kernel", ""},
		{"cfg/u1 loader cfg/u1 cfg/mac kernel cfg/mac", ""},
		{"cfg/u1 loader //cfg/mac", ""},
		{"cfg/u1 cfg/mac cfg/default-arm-qemu", ""},
		{"cfg/u1 cfg/mac cfg/default-arm-qemu cfg/default-arm", "cfg/default-arm, out of turn"},
		{"cfg/u1 cfg/default-arm cfg/mac", "cfg/default-arm, out of turn"},
		{"loader cfg/mac", "cfg/mac, out of turn"},
		{"loader cfg/u1", "did not ask for cfg/mac"},
		{"", "did not ask for cfg/u1"},
		{"cfg/u1 cfg/u2 cfg/mac", "cfg/u2, out of turn"},
		{"cfg/u1 cfg/mac cfg/default", "cfg/default, out of turn"},
		{"cfg/u1 cfg/mac cfg/u1", "cfg/u1, out of turn"},
		{"gone cfg/u1 cfg/mac", "gone, which is not explained"},
	} {
		err := compare(s, reads(tt.asked), func(name string) bool { return there[name] })
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.asked, err, tt.want)
		}
	}

	for _, asked := range []string{"cfg/mac", "cfg/any cfg/mac"} {
		if err := compare(unsure, reads(asked), func(string) bool { return false }); err != nil {
			t.Errorf("%s: %v", asked, err)
		}
	}

	// What is there ends the search, if the machine asks for it.
	unsure.Asks[0].Path, unsure.Asks[0].Found = "cfg/u1", "readable"
	for _, asked := range []string{"cfg/mac", "cfg/u2 cfg/mac", "cfg/u1"} {
		if err := compare(unsure, reads(asked), func(string) bool { return false }); err != nil {
			t.Errorf("%s: %v", asked, err)
		}
	}

	byHTTP := []Request{{Method: "GET", Path: "/boot/52-54-00-00-00-01"}, {Method: "HEAD", Path: "/tftp//kernel"}}
	s.Asks = s.Asks[1:]
	if err := compare(s, byHTTP, func(name string) bool { return there[name] }); err != nil {
		t.Error(err)
	}
}
