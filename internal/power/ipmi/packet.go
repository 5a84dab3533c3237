package ipmi

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
)

// Payload types (table 13-16).
const (
	payloadIPMI         = 0x00
	payloadOpenRequest  = 0x10
	payloadOpenResponse = 0x11
	payloadRAKP1        = 0x12
	payloadRAKP2        = 0x13
	payloadRAKP3        = 0x14
	payloadRAKP4        = 0x15
)

// The two flags in the byte of the payload type.
const (
	encrypted     = 0x80
	authenticated = 0x40
)

// headerSize is that of the RMCP header (section 13.1.3) and the session header
// of RMCP+ (table 13-8).
const headerSize = 4 + 12

// header begins a datagram: RMCP version 6, no acknowledgement, class IPMI; then
// the session's format 6, which is RMCP+.
func header(payload byte, session [4]byte, number uint32, size int) []byte {
	b := make([]byte, headerSize, headerSize+size+32)
	copy(b, []byte{0x06, 0x00, 0xff, 0x07, 0x06, payload})
	copy(b[6:], session[:])
	binary.LittleEndian.PutUint32(b[10:], number)
	binary.LittleEndian.PutUint16(b[14:], uint16(size))
	return b
}

// body is the payload of a datagram that has the payload type and the session,
// and what follows it; ok is false for any other datagram.
func body(b []byte, payload byte, session [4]byte) (number uint32, in, rest []byte, ok bool) {
	if len(b) < headerSize || b[0] != 0x06 || b[3] != 0x07 || b[4] != 0x06 ||
		b[5] != payload || [4]byte(b[6:10]) != session {
		return 0, nil, nil, false
	}
	size := int(binary.LittleEndian.Uint16(b[14:]))
	if size > len(b)-headerSize {
		return 0, nil, nil, false
	}
	return binary.LittleEndian.Uint32(b[10:]), b[headerSize:][:size], b[headerSize+size:], true
}

// plain is a datagram of the handshake, outside of any session.
func plain(payload byte, in []byte) []byte {
	return append(header(payload, [4]byte{}, 0, len(in)), in...)
}

// seal makes a datagram of a session: encrypted by AES-CBC (section 13.29), then
// authenticated (section 13.28.4).
func (k keys) seal(session [4]byte, number uint32, message []byte) []byte {
	pad := (aes.BlockSize - (len(message)+1)%aes.BlockSize) % aes.BlockSize
	text := append([]byte{}, message...)
	for i := range pad {
		text = append(text, byte(i+1))
	}
	text = append(text, byte(pad))

	in := make([]byte, aes.BlockSize+len(text))
	_, _ = rand.Read(in[:aes.BlockSize]) // it never fails
	cipher.NewCBCEncrypter(k.block(), in[:aes.BlockSize]).CryptBlocks(in[aes.BlockSize:], text)

	b := append(header(encrypted|authenticated|payloadIPMI, session, number, len(in)), in...)
	// What is authenticated begins after the RMCP header and ends with two
	// bytes, the length of the padding and the next header; it is padded to
	// four bytes.
	fill := (4 - (len(b)-4+2)%4) % 4
	for range fill {
		b = append(b, 0xff)
	}
	b = append(b, byte(fill), 0x07)
	return append(b, k.suite.sum(k.integrity, b[4:])[:k.suite.short]...)
}

// unseal is the message in a datagram of the session, once the datagram is
// proven to be the BMC's.
func (k keys) unseal(session [4]byte, b []byte) (number uint32, message []byte, ok bool) {
	number, in, rest, ok := body(b, encrypted|authenticated|payloadIPMI, session)
	if !ok || len(rest) < 2+k.suite.short {
		return 0, nil, false
	}
	signed, proof := b[4:len(b)-k.suite.short], b[len(b)-k.suite.short:]
	if !hmac.Equal(k.suite.sum(k.integrity, signed)[:k.suite.short], proof) {
		return 0, nil, false
	}
	if len(in) < 2*aes.BlockSize || len(in)%aes.BlockSize != 0 {
		return 0, nil, false
	}
	text := make([]byte, len(in)-aes.BlockSize)
	cipher.NewCBCDecrypter(k.block(), in[:aes.BlockSize]).CryptBlocks(text, in[aes.BlockSize:])
	pad := int(text[len(text)-1])
	if pad >= len(text) {
		return 0, nil, false
	}
	return number, text[:len(text)-1-pad], true
}

func (k keys) block() cipher.Block {
	b, err := aes.NewCipher(k.encryption[:16])
	if err != nil {
		panic(err) // 16 bytes are a key
	}
	return b
}

// Addresses in messages (section 13.8): the BMC, and software that asks it.
const (
	bmcAddress     = 0x20
	consoleAddress = 0x81
)

// A command is a network function and a command in it (appendix G).
type command struct{ function, number byte }

// The commands.
var (
	chassisStatus  = command{0x00, 0x01}
	chassisControl = command{0x00, 0x02}
	setBootOptions = command{0x00, 0x08}
	getBootOptions = command{0x00, 0x09}
	setPrivilege   = command{0x06, 0x3b}
	closeSession   = command{0x06, 0x3c}
)

// message asks for a command; sequence is below 64.
func message(c command, sequence byte, data []byte) []byte {
	m := []byte{bmcAddress, c.function << 2, 0, consoleAddress, sequence << 2, c.number}
	m[2] = checksum(m[:2])
	m = append(m, data...)
	return append(m, checksum(m[3:]))
}

// answer reads what a BMC says to such a message: completion code and data. ok
// is false for anything else. The addresses are not looked at, which some get
// wrong: that the message is the BMC's is proven by its seal.
func answer(m []byte, c command, sequence byte) (code byte, data []byte, ok bool) {
	if len(m) < 8 || m[1]>>2 != c.function|1 || checksum(m[:3]) != 0 ||
		m[4]>>2 != sequence || m[5] != c.number || checksum(m[3:]) != 0 {
		return 0, nil, false
	}
	return m[6], m[7 : len(m)-1], true
}

// checksum makes the sum of what it covers, and itself, zero.
func checksum(b []byte) (sum byte) {
	for _, x := range b {
		sum -= x
	}
	return sum
}
