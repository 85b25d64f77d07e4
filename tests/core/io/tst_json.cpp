// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Strict JSON: what is refused, on which line, and where values stand.
#include "core/io/json.h"
#include "support/safetensorsbuilder.h"

#include <QTest>

using namespace ql;
using namespace ql::test;

class TestJson : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void parsesValues()
    {
        const auto json =
            parseJson(" {\"a\": [1, -2, 3.5, \"x\", true, null, {}], \"b\": {\"c\": 18446744073709551615}} ", "t");
        QVERIFY2(json.ok(), json.ok() ? "" : json.error().text().c_str());
        QCOMPARE((*json)["a"].size(), size_t(7));
        QCOMPARE((*json)["a"][1].get<int>(), -2);
        QCOMPARE((*json)["b"]["c"].get<uint64_t>(), ~uint64_t(0));
        QCOMPARE(parseJson("3", "t")->get<int>(), 3);
    }

    void refuses_data()
    {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QString>("code");
        QTest::addColumn<QString>("where");
        const auto deep = [](int depth) { return QByteArray(depth, '[') + QByteArray(depth, ']'); };
        QTest::newRow("nothing") << QByteArray("") << "JsonSyntax" << "f: line 1";
        QTest::newRow("missing value") << QByteArray("{\n\"a\":\n}") << "JsonSyntax" << "f: line 3";
        QTest::newRow("comma at the end") << QByteArray("[1,\n2,\n]") << "JsonSyntax" << "f: line 3";
        QTest::newRow("two documents") << QByteArray("{}\n\n{}") << "JsonSyntax" << "f: line 3";
        QTest::newRow("zero byte") << QByteArray("{}\0{}", 5) << "JsonSyntax" << "f";
        QTest::newRow("duplicate key") << QByteArray("{\"a\": 1,\n \"b\": 2,\n \"a\": 3}") << "JsonDuplicateKey"
                                       << "f: line 3";
        QTest::newRow("duplicate key inside") << QByteArray("{\"x\":[\n{\"a\":1,\"a\":1}]}") << "JsonDuplicateKey"
                                              << "f: line 2";
        QTest::newRow("duplicate key by escape") << QByteArray("{\"a\":1,\"\\u0061\":1}") << "JsonDuplicateKey"
                                                 << "f: line 1";
        QTest::newRow("65 levels") << deep(65) << "JsonTooDeep" << "f: line 1";
        QTest::newRow("100,000 levels") << deep(100000) << "JsonTooDeep" << "f: line 1";
        QTest::newRow("not UTF-8") << QByteArray("\"\xFF\"") << "InvalidUtf8" << "f";
        QTest::newRow("number beyond double") << QByteArray("1e999") << "JsonSyntax" << "f: line 1";
        QTest::newRow("too large") << QByteArray(9 << 20, ' ') << "JsonTooLarge" << "f";
    }
    void refuses()
    {
        QFETCH(QByteArray, text);
        const auto json = parseJson(std::string_view(text.data(), size_t(text.size())), "f");
        QVERIFY(!json);
        QTEST(QString::fromStdString(std::string(codeName(json.error().code))), "code");
        QTEST(QString::fromStdString(json.error().where), "where");
        QVERIFY(json.error().text().find('\n') == std::string::npos);
    }

    void sixtyFourLevelsAreFine()
    {
        QVERIFY(parseJson(std::string(64, '[') + std::string(64, ']'), "f").ok());
    }

    void tellsTheLineOfEveryValue()
    {
        JsonLines lines;
        const std::string text = "{\n \"a\": 1,\n \"b\": [\n  \"x\",\n  2\n ],\n\n \"c/d~\": {\"e\": null}\n}\n";
        const auto json = parseJson(text, "f", {}, &lines);
        QVERIFY(json.ok());
        const JsonLines expected{{"", 1},     {"/a", 2},      {"/b", 3},       {"/b/0", 4},
                                 {"/b/1", 5}, {"/c~1d~0", 8}, {"/c~1d~0/e", 8}};
        QCOMPARE(lines.size(), expected.size());
        for (const auto& [pointer, line] : expected) {
            QVERIFY2(lines.contains(pointer), pointer.c_str());
            QCOMPARE(lines.at(pointer), line);
            QVERIFY(json->contains(nlohmann::json::json_pointer(pointer)));
        }
    }

    void readsFiles()
    {
        const Folder folder;
        QCOMPARE(readJson(folder.write("a.json", "[7]"))->at(0).get<int>(), 7);
        QCOMPARE(codeName(readJson(folder.path("none.json")).error().code), codeName(ErrorCode::FileNotFound));
        QCOMPARE(codeName(readJson(folder.path("a.json"), {2, 64}).error().code), codeName(ErrorCode::JsonTooLarge));
    }
};

QTEST_GUILESS_MAIN(TestJson)
#include "tst_json.moc"
