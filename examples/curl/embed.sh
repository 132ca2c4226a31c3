#!/bin/sh
# Images to vectors with curl alone: each file is the whole body of a request, as it is.
#
#     sh embed.sh 127.0.0.1:8000 digits a.jpg b.png ...
#
# Prints the server's answer, a JSON line for each image, and ends with 1 where the server refuses one.
# Behind TLS and a token: https://, and -H "Authorization: Bearer ...".
server=$1 model=$2
shift 2
for image; do
    if answer=$(curl --silent --show-error --fail-with-body --data-binary "@$image" \
        --header 'Inference-Header-Content-Length: 0' --header 'Accept: application/json' \
        "http://$server/v2/models/${model}_encoded/infer"); then
        printf '%s\n' "$answer"
    else
        printf '%s: %s\n' "$image" "$answer" >&2
        exit 1
    fi
done
