"""What listener and reset do, in PyMongo, for test/bench/run to stand beside them.

peer.py listen, peer.py reset
"""
import os
import sys
import threading
import time
import pymongo

client = pymongo.MongoClient(os.environ["MONGODB_ATLAS_URL"])
customers = client[os.environ["DATABASE"]][os.environ["COLLECTION"]]


def listen(match):
    with customers.watch([{"$match": match}], batch_size=1000, max_await_time_ms=3000) as changes:
        opened.wait()
        for event in changes:
            customer = event["fullDocument"]
            checking = next(a for a in customer["accounts"] if a["type"] == "checking" and a["balance"] < 0)
            print("=== INSERT EVENT ===\nChecking Account with negative balance!\nEmailing user: " + customer["email"]
                  + "\nChecking Acct Balance: " + str(checking["balance"]) + "\n", flush=True)


if sys.argv[1] == "reset":
    customers.drop()
    print("Sample record id:", customers.insert_one({"firstName": "My First Name"}).inserted_id)
    sys.exit()
overdrawn = {"$elemMatch": {"type": "checking", "balance": {"$lt": 0}}}
counter = "updateDescription.updatedFields.resumeCounter"
matches = [{"operationType": "insert", "fullDocument.accounts": overdrawn}, {"operationType": "delete"},
           {"operationType": "update", counter: {"$exists": False}}, {"operationType": "replace"},
           {"operationType": "update", counter: {"$exists": True}}]
opened = threading.Barrier(len(matches) + 1)
for match in matches:
    threading.Thread(target=listen, args=[match], daemon=True).start()
opened.wait()
print("Resume listener thread started.", flush=True)
time.sleep(10 ** 6)
