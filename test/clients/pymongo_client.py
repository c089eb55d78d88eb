"""The five operations and a resume with PyMongo: MONGODB_ATLAS_URL and DATABASE say where."""
import os

import pymongo
from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateOne
from pymongo.errors import OperationFailure

client = pymongo.MongoClient(os.environ["MONGODB_ATLAS_URL"], serverSelectionTimeoutMS=5000)
accounts = client[os.environ["DATABASE"]].accounts

with accounts.watch(full_document="updateLookup") as stream:
    accounts.insert_one({"_id": 1, "n": 1})
    result = accounts.bulk_write([
        InsertOne({"_id": 2}),
        UpdateOne({"_id": 1}, {"$inc": {"n": 1}}),
        ReplaceOne({"_id": 2}, {"replaced": True}),
        DeleteOne({"_id": 2}),
        UpdateOne({"_id": 3}, {"$set": {"n": 5}}, upsert=True),
    ])
    events = [stream.next() for _ in range(6)]
print("events:", *[event["operationType"] for event in events])
print("set:", events[2]["updateDescription"]["updatedFields"])
print("bulk:", result.inserted_count, result.matched_count, result.modified_count, result.deleted_count, result.upserted_ids)

with accounts.watch(resume_after=events[2]["_id"]) as stream:
    print("resumed:", *[stream.next()["operationType"] for _ in range(3)])

with client.start_session() as session:
    print("session:", sorted(document["n"] for document in accounts.find({"n": {"$gt": 0}}, session=session)))
    try:
        with session.start_transaction():
            accounts.insert_one({"_id": 9}, session=session)
    except OperationFailure as error:
        print("transaction:", error.code)

for command in "nonsense", "hello":
    try:
        print(command + ":", client.admin.command(command)["ok"])
    except OperationFailure as error:
        print(command + ":", error.code)
client.drop_database(os.environ["DATABASE"])
