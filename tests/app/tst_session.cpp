// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Session and journal: the policy as a document with undo, and what survives a crash.
#include "app/journal.h"
#include "app/session.h"
#include "app/snapshots.h"
#include "core/io/safetensorswriter.h"
#include "core/policy/presets.h"
#include "support/patience.h"
#include "support/testmodels.h"

#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include <random>

using namespace ql;

namespace {

/// Writes the tiny model as a safetensors file, so that the session opens a real one.
QString writeModel(const QTemporaryDir& folder)
{
    const auto model = test::tinyLlama();
    std::vector<SafetensorsWriter::Entry> entries;
    for (const TensorInfo& tensor : model->tensors())
        entries.push_back({tensor.name, tensor.dtype, tensor.shape});
    auto writer = SafetensorsWriter::plan(entries);
    const QString path = folder.filePath("tiny.safetensors");
    if (!writer.ok() || !writer->begin(path.toStdString()).ok())
        return {};
    for (const auto& entry : writer->order()) {
        const auto view = model->view(model->indexOf(entry.name));
        if (!writer->write(*view->bytes()).ok())
            return {};
    }
    return writer->finish().ok() ? path : QString();
}

} // namespace

class TestSession : public QObject
{
    Q_OBJECT

    QTemporaryDir m_folder;
    QString m_model;
    JobRunner m_jobs;

    std::unique_ptr<Session> openSession()
    {
        auto session = std::make_unique<Session>(&m_jobs);
        QSignalSpy opened(session.get(), &Session::modelChanged);
        session->openModel(m_model);
        return opened.wait(test::kPatienceMs) ? std::move(session) : nullptr;
    }

    static int index(const Session& session, const char* name) { return session.model()->indexOf(name); }

private Q_SLOTS:
    void initTestCase()
    {
        m_model = writeModel(m_folder);
        QVERIFY(!m_model.isEmpty());
    }

    void openingSaysWhatIsWrong()
    {
        Session session(&m_jobs);
        QSignalSpy failed(&session, &Session::failed);
        session.openModel(m_folder.filePath("missing.gguf"));
        QVERIFY(failed.wait(test::kPatienceMs));
        QVERIFY(failed[0][0].value<Error>().text().find("missing.gguf") != std::string::npos);
        QVERIFY(!session.model());
    }

    void editsAreSteps()
    {
        const auto session = openSession();
        QVERIFY(session);
        const int q = index(*session, "model.layers.0.self_attn.q_proj.weight");
        const Scheme nf4 = Scheme::defaultsFor(Format::NF4);
        QCOMPARE(session->setSchemes({{q, nf4}}, "to nf4"), 0);
        QCOMPARE(session->decisions()[size_t(q)].scheme, nf4);
        QCOMPARE(session->undoStack()->count(), 1);
        session->setSchemes({{q, nf4}}, "to nf4 again"); // changes nothing, so it is no step
        QCOMPARE(session->undoStack()->count(), 1);
        session->undoStack()->undo();
        QCOMPARE(session->decisions()[size_t(q)].source, Decision::Source::Default);
        QVERIFY(session->undoStack()->isClean());
    }

    void lockedTensorsAreLeftAlone()
    {
        const auto session = openSession();
        const int q = index(*session, "model.layers.0.self_attn.q_proj.weight");
        const int v = index(*session, "model.layers.0.self_attn.v_proj.weight");
        session->setLocked({q}, true);
        QVERIFY(session->decisions()[size_t(q)].locked);
        const Scheme before = session->decisions()[size_t(q)].scheme;
        QCOMPARE(session->setSchemes({{q, Scheme::defaultsFor(Format::Int8)}, {v, Scheme::defaultsFor(Format::Int8)}}, "both"), 1);
        QCOMPARE(session->decisions()[size_t(q)].scheme, before);
        QCOMPARE(session->decisions()[size_t(v)].scheme, Scheme::defaultsFor(Format::Int8));
    }

    void brokenRulesNeverEnterTheHistory()
    {
        const auto session = openSession();
        QSignalSpy failed(session.get(), &Session::failed);
        session->addRule({"q_proj(", {}, -1, -1, Scheme::defaultsFor(Format::Int8), ""});
        QCOMPARE(failed.count(), 1);
        QCOMPARE(session->undoStack()->count(), 0);
    }

    void undoAllRedoAllIsTheSamePolicy()
    {
        const auto session = openSession();
        std::mt19937 random(7);
        const Policy start = session->policy();
        const int tensors = int(session->model()->tensors().size());
        for (int i = 0; i < 300; ++i) {
            const int tensor = int(random() % unsigned(tensors));
            Policy whole = session->policy();
            switch (random() % 8) {
            case 0:
                session->setLocked({tensor}, random() % 2);
                break;
            case 1:
                session->clearOverrides({tensor});
                break;
            case 2:
                session->addRule({"layers." + std::to_string(random() % 3), {}, -1, -1, Scheme::defaultsFor(Format::Int6), ""});
                break;
            case 3:
                session->changePolicy(*applyPreset(presets()[random() % presets().size()].id, *session->model(), whole), "preset");
                break;
            case 4:
                whole.share = !whole.share;
                if (whole.rules.size() > 1)
                    std::swap(whole.rules.front(), whole.rules.back());
                session->changePolicy(whole, "share and move");
                break;
            default:
                session->setSchemes({{tensor, Scheme::defaultsFor(Format(3 + random() % 8))}}, "edit");
            }
        }
        const std::string end = session->policy().toJson();
        QVERIFY(*Policy::parse(end) == session->policy());
        while (session->undoStack()->canUndo())
            session->undoStack()->undo();
        QVERIFY(session->policy() == start);
        while (session->undoStack()->canRedo())
            session->undoStack()->redo();
        QCOMPARE(QString::fromStdString(session->policy().toJson()), QString::fromStdString(end));
    }

    void policiesAreSavedAndOpened()
    {
        const auto session = openSession();
        const int q = index(*session, "model.layers.1.self_attn.q_proj.weight");
        session->setSchemes({{q, Scheme::defaultsFor(Format::NF4)}}, "edit");
        const QString path = m_folder.filePath("policy.json");
        QVERIFY(session->savePolicy(path));
        QVERIFY(session->undoStack()->isClean());
        const auto other = openSession();
        QVERIFY(other->loadPolicy(path));
        QCOMPARE(other->decisions()[size_t(q)].scheme, Scheme::defaultsFor(Format::NF4));
        QVERIFY(other->undoStack()->isClean());
        QSignalSpy failed(other.get(), &Session::failed);
        QVERIFY(!other->savePolicy(m_folder.filePath("no/such/folder/p.json")));
        QCOMPARE(failed.count(), 1);
    }

    void snapshotsOutliveTheProgram()
    {
        QTemporaryDir folder;
        const auto session = openSession();
        const std::string model = session->model()->fingerprint();
        Snapshots snapshots(folder.path());
        QSignalSpy changed(&snapshots, &Snapshots::changed);
        snapshots.add("of no model", "", session->policy());
        QCOMPARE(changed.count(), 0);
        snapshots.setModel(model);
        session->addRule({"q_proj", {}, -1, -1, Scheme::defaultsFor(Format::Int8), "first"});
        const Policy first = session->policy();
        snapshots.add("first", "before the \"search\"", first);
        Snapshots other(folder.path()); // another running program
        other.setModel(model);
        other.add("second", "", Policy());
        snapshots.add("third", "", Policy());
        QCOMPARE(snapshots.all().size(), size_t(3));
        snapshots.describe(1, "renamed", "noted");
        other.remove(0); // it does not know of the new name yet, only of its own list
        snapshots.setModel(model);
        QCOMPARE(snapshots.all().size(), size_t(2));
        QCOMPARE(snapshots.all()[0].name, QString("renamed"));
        QCOMPARE(snapshots.all()[0].note, QString("noted"));
        QVERIFY(snapshots.all()[0].time.isValid());
        snapshots.add("again", "", first);
        Snapshots next(folder.path());
        next.setModel(model);
        QVERIFY(next.all()[2].policy == first);
        next.setModel("0000000000000000");
        QVERIFY(next.all().empty());
    }

    void brokenSnapshotFilesAreLeftAlone_data()
    {
        QTest::addColumn<QByteArray>("content");
        QTest::newRow("not JSON") << QByteArray("{");
        QTest::newRow("another version") << QByteArray("{\"quantloupe_snapshots\": 2, \"snapshots\": []}");
        QTest::newRow("no list") << QByteArray("{\"quantloupe_snapshots\": 1}");
        QTest::newRow("a list of numbers") << QByteArray("{\"quantloupe_snapshots\": 1, \"snapshots\": [3]}");
        QTest::newRow("a policy of the future") << QByteArray(
            "{\"quantloupe_snapshots\": 1, \"snapshots\": [{\"name\": \"n\", \"policy\": {\"quantloupe_policy\": 9}}]}");
    }
    void brokenSnapshotFilesAreLeftAlone()
    {
        QFETCH(QByteArray, content);
        QTemporaryDir folder;
        QFile file(folder.filePath("0123.json"));
        QVERIFY(file.open(QIODevice::ReadWrite) && file.write(content) == content.size() && file.flush());
        Snapshots snapshots(folder.path());
        QSignalSpy failed(&snapshots, &Snapshots::failed);
        snapshots.setModel("0123");
        QCOMPARE(failed.count(), 1);
        QVERIFY(failed[0][0].value<Error>().text().find("0123.json") != std::string::npos);
        snapshots.add("name", "", Policy());
        QCOMPARE(failed.count(), 2);
        file.seek(0);
        QCOMPARE(file.readAll(), content);
    }

    void aCrashLosesNoEdits()
    {
        QTemporaryDir journals;
        const auto session = openSession();
        const int q = index(*session, "model.layers.0.self_attn.q_proj.weight");
        auto crashing = std::make_unique<Journal>(session.get(), journals.path());
        session->setSchemes({{q, Scheme::defaultsFor(Format::Int3)}}, "edit");
        crashing->writeNow();
        const QString file = QDir(journals.path()).entryList({"*.journal"}).value(0);
        QVERIFY(!file.isEmpty());

        // What a crash leaves: the journal without a living owner.
        QVERIFY(QFile::copy(journals.filePath(file), journals.filePath("0-0.journal")));
        Journal next(session.get(), journals.path());
        const auto leftover = next.findLeftover();
        QVERIFY(leftover.has_value());
        QCOMPARE(leftover->modelPath, m_model);
        QVERIFY(leftover->policy == session->policy());
        next.discard(*leftover);
        QVERIFY(!next.findLeftover());
    }

    void aCleanEndLeavesNoJournal()
    {
        QTemporaryDir journals;
        const auto session = openSession();
        {
            Journal journal(session.get(), journals.path());
            session->setSchemes({{index(*session, "model.layers.0.self_attn.q_proj.weight"), Scheme::defaultsFor(Format::Int3)}}, "edit");
            QL_TRY_VERIFY(!QDir(journals.path()).entryList({"*.journal"}).isEmpty());
        }
        QVERIFY(QDir(journals.path()).entryList({"*.journal"}).isEmpty());
    }
};

QTEST_GUILESS_MAIN(TestSession)
#include "tst_session.moc"
