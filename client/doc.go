// Package client is the Go client of PXE Pilot's API v1. The command line uses
// nothing else, so that whatever it can do a program can do, too:
//
//	c, err := client.New("http://pxe.example.net:3478")
//	...
//	out, err := c.Deploy(ctx, "ubuntu-16.04", apiv1.Change{Hosts: []apiv1.HostRef{{Name: "h1"}}})
//
// A refusal by the server is an *Error, whose message is the server's and fit
// for people. A server that does not answer is an *UnreachableError. Nothing is
// sent twice: where the answer to a change got lost, only a person, or Hosts,
// can tell whether it was done.
package client
