# t/programs/openssl.sh - keys, certificates, digests and ciphers.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

need openssl seq
plan 4

seq 1 "$(amount 400000)" >"$in/data"
plain openssl genrsa -out "$in/key.pem" 2048 2>/dev/null

uses openssl openssl dgst -sha256 "$in/data"
same 'digests and ciphers' sh -c 'for d in md5 sha1 sha256 sha512 sha3-256 blake2b512; do openssl dgst -$d "$1"; done &&
    openssl enc -aes-256-cbc -K 00112233 -iv 44556677 -in "$1" -out c 2>/dev/null &&
    openssl enc -d -aes-256-cbc -K 00112233 -iv 44556677 -in c 2>/dev/null | cmp - "$1"' sh "$in/data"
same 'a signature and its verification' sh -c 'openssl dgst -sha256 -sign "$2" -out s "$1" &&
    openssl rsa -in "$2" -pubout -out p 2>/dev/null && openssl dgst -sha256 -verify p -signature s "$1"' sh "$in/data" "$in/key.pem"
same 'keys and certificates made afresh verify' sh -c 'openssl ecparam -name prime256v1 -genkey -noout -out e &&
    openssl req -new -x509 -key e -subj /CN=example.org -days 3650 -out cert &&
    openssl verify -CAfile cert cert && openssl x509 -in cert -noout -subject && rm e cert' sh
