package tftproot

import (
	"context"
	"encoding/json"
	"testing"
)

func TestSmoke(t *testing.T) {
	s := newSite(t, Options{Path: openRoot(t)}, []string{"a", "b"}, "h1 "+mac1, "h3 "+mac3+" "+mac33)
	s.deploy("a", "h1", "h3")
	s.write("pxelinux.cfg/default", "x")
	es, err := s.Explain(context.Background(), s.inv, s.inv.Hosts())
	if err != nil {
		t.Fatal(err)
	}
	x, _ := json.MarshalIndent(es[1].Searches[1], "", " ")
	t.Logf("%s", x)
}
