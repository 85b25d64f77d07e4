// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RunController on the bundled model with a few tokens: calibration and its files, studies, output errors, evaluation,
// attribution, cancelling, and models that cannot run.
#include "app/runcontroller.h"
#include "core/compute/cpubackend.h"
#include "support/patience.h"
#include "support/safetensorsbuilder.h"

#include <QSignalSpy>
#include <QTest>

#include <cmath>

using namespace ql;
using Work = RunController::Work;

namespace {

const char* const kQuery = "model.layers.0.self_attn.q_proj.weight";
const char* const kNorm = "model.layers.0.input_layernorm.weight";

QString bundled(const char* name)
{
    return QStringLiteral(QL_RESOURCES "/models/") + QLatin1String(name);
}

struct Fixture {
    std::shared_ptr<ThreadPool> pool = std::make_shared<ThreadPool>(2);
    JobRunner jobs;
    Session session{&jobs};
    RunController run{&session, &jobs, pool};
    QSignalSpy failed{&run, &RunController::failed};
    QSignalSpy noted{&run, &RunController::noted};

    Fixture() { run.setBackend(std::make_shared<CpuBackend>(pool)); }

    bool open(const QString& path)
    {
        session.openModel(path);
        return QTest::qWaitFor([this] { return session.model() && (run.network() || !run.cannotRun().isEmpty()); }, 10000);
    }
    SequenceSettings fewTokens(int64_t length = 32, int64_t count = 3) const
    {
        SequenceSettings settings = run.defaultSequences();
        settings.length = length;
        settings.count = count;
        return settings;
    }
    bool idle() { return QTest::qWaitFor([this] { return jobs.pending() == 0; }, 60000); }
    bool calibrated()
    {
        run.calibrate(fewTokens(), {});
        return idle() && run.calibration() != nullptr;
    }
    int tensor(const char* name) const { return session.model()->indexOf(name); }
    void setDefault(const char* scheme)
    {
        Policy policy = session.policy();
        policy.defaultScheme = Scheme::parse(scheme).value();
        session.changePolicy(policy, "default");
    }
};

} // namespace

class TestRunController : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void theBundledModelIsCalibrated()
    {
        Fixture f;
        QVERIFY(f.open(bundled("loupe-3m")));
        QVERIFY2(f.run.cannotRun().isEmpty(), qPrintable(f.run.cannotRun()));
        QSignalSpy activity(&f.run, &RunController::activityChanged);
        QSignalSpy progress(&f.jobs, &JobRunner::progressed);
        f.run.calibrate(f.fewTokens(), {});
        QVERIFY(f.run.isRunning(Work::Calibration));
        QVERIFY(f.idle());
        QVERIFY(!f.run.isRunning(Work::Calibration));
        QCOMPARE(activity.size(), 2);
        QVERIFY(f.run.calibration());
        QVERIFY(!f.run.calibration()->source().partial);
        QCOMPARE(f.run.calibration()->source().tokens, uint64_t(96));
        for (const QList<QVariant>& report : progress) // tokens of the text, not tokens times blocks
            QVERIFY(report[4].value<JobUnit>() != JobUnit::Tokens || report[3].toULongLong() <= 96);
        QVERIFY(f.failed.isEmpty());
    }

    void studiesNeedACalibrationAndArriveOnce()
    {
        Fixture f;
        QVERIFY(f.open(bundled("loupe-3m")));
        QSignalSpy ready(&f.run, &RunController::activationReady);
        const ActivationScheme scheme;
        f.run.requestActivation(f.tensor(kQuery), scheme);
        QCOMPARE(ready.size(), 1);
        QVERIFY(!ready.takeFirst()[1].value<Shared<ActivationStudy>>());
        QVERIFY(f.calibrated());
        f.run.requestActivation(f.tensor(kQuery), scheme);
        QVERIFY(ready.wait(test::kPatienceMs));
        const auto study = ready.takeFirst()[1].value<Shared<ActivationStudy>>();
        QVERIFY(study && study->distribution && study->tokens == 96);
        f.run.requestActivation(f.tensor("model.layers.0.self_attn.v_proj.weight"), scheme); // shares the input
        QCOMPARE(ready.size(), 1);
        QCOMPARE(ready.takeFirst()[1].value<Shared<ActivationStudy>>(), study);
        f.run.requestActivation(f.tensor(kNorm), scheme);
        QVERIFY(!ready.takeFirst()[1].value<Shared<ActivationStudy>>());
    }

    void errorsAtTheOutputFillTheTable()
    {
        Fixture f;
        QVERIFY(f.open(bundled("loupe-3m")));
        QSignalSpy live(&f.run, &RunController::outputErrorReady), table(&f.run, &RunController::tableOutputErrorReady);
        const int query = f.tensor(kQuery);
        const Scheme int4 = Scheme::parse("int4,group=64").value(), int8 = Scheme::parse("int8,group=64").value();
        f.run.requestOutputError(query, int4, false);
        QVERIFY(f.calibrated());
        QVERIFY(live.isEmpty()); // there was no calibration when it was asked for
        f.run.requestOutputError(query, int4, true);
        QVERIFY(live.wait(test::kPatienceMs));
        QCOMPARE(live.takeFirst()[3].toBool(), true);
        double before = 1;
        for (const Scheme& scheme : {int4, int8}) {
            f.run.requestOutputError(query, scheme, false);
            QVERIFY(live.wait(test::kPatienceMs));
            const auto error = live[0][2].value<OutputError>();
            QCOMPARE(live.takeFirst()[3].toBool(), false);
            QVERIFY(error.relative() > 0 && error.relative() < before / 4);
            before = error.relative();
        }
        QList<int> order;
        int expected = 0;
        for (int i = 0; i < int(f.session.decisions().size()); ++i) {
            order << i;
            expected += !f.session.decisions()[size_t(i)].asStored;
        }
        f.run.fillOutputErrors(order, f.session.decisions());
        QVERIFY(f.idle());
        QCOMPARE(table.size(), expected);
        f.run.discardCalibration();
        f.run.fillOutputErrors(order, f.session.decisions());
        QVERIFY(f.idle());
        QCOMPARE(table.size(), expected);
    }

    void quantizedInputsAddToTheErrorAtTheOutput()
    {
        Fixture f;
        QVERIFY(f.open(bundled("loupe-3m-outliers")));
        QVERIFY(f.calibrated());
        QSignalSpy live(&f.run, &RunController::outputErrorReady);
        const Scheme scheme = Scheme::parse("int8,channel").value();
        f.run.requestOutputError(f.tensor(kQuery), scheme, false);
        QVERIFY(live.wait(test::kPatienceMs));
        const double weights = live.takeFirst()[2].value<OutputError>().relative();
        Policy policy = f.session.policy();
        policy.activations.defaultScheme = ActivationScheme::parse("int8,tensor").value();
        f.session.changePolicy(policy, "activations");
        QVERIFY(f.run.activationScheme(f.tensor(kQuery)).has_value());
        QVERIFY(!f.run.activationScheme(f.tensor(kNorm)).has_value());
        f.run.requestOutputError(f.tensor(kQuery), scheme, false);
        QVERIFY(live.wait(test::kPatienceMs));
        QVERIFY(live.takeFirst()[2].value<OutputError>().relative() > 1.2 * weights);
    }

    void whatWasDoneIsKeptIfAsked_data()
    {
        QTest::addColumn<bool>("keep");
        QTest::newRow("keep what is done") << true;
        QTest::newRow("keep nothing") << false;
    }
    void whatWasDoneIsKeptIfAsked()
    {
        QFETCH(bool, keep);
        Fixture f;
        QVERIFY(f.open(bundled("loupe-3m")));
        // Cancelled as soon as it tells of the first block, long before the last.
        connect(&f.jobs, &JobRunner::progressed, this, [&](quint64, const QString&, quint64 done, quint64 total, JobUnit) {
            if (total > 0 && done > total / 4)
                f.run.cancel(Work::Calibration);
        });
        f.run.calibrate(f.fewTokens(256, 64), {}, keep);
        QVERIFY(f.idle());
        QVERIFY(!f.run.isRunning(Work::Calibration));
        QCOMPARE(f.run.calibration() != nullptr, keep);
        QCOMPARE(f.noted.size(), 1);
        if (keep) {
            QVERIFY(f.run.calibration()->source().partial);
            QVERIFY(f.run.calibration()->inputs().size() < f.run.network()->inputs().size());
        }
        QVERIFY(f.failed.isEmpty());
    }

    void aCancelledCalibrationNeverReplacesACompleteOne()
    {
        Fixture f;
        QVERIFY(f.open(bundled("loupe-3m")));
        QVERIFY(f.calibrated());
        const auto complete = f.run.calibration();
        connect(&f.jobs, &JobRunner::progressed, this, [&](quint64, const QString&, quint64 done, quint64 total, JobUnit) {
            if (total > 0 && done > total / 4)
                f.run.cancel(Work::Calibration);
        });
        f.run.calibrate(f.fewTokens(256, 64), {}, true);
        QVERIFY(f.idle());
        QCOMPARE(f.run.calibration(), complete);
        QCOMPARE(f.noted.size(), 1);
    }

    void calibrationsAreSavedAndThoseOfOthersRefused()
    {
        Fixture f;
        test::Folder folder;
        const QString file = QString::fromStdString(folder.path("c.safetensors"));
        QVERIFY(f.open(bundled("loupe-3m")));
        QVERIFY(f.calibrated());
        QVERIFY(f.run.calibrationPath().isEmpty());
        f.run.saveCalibration(file);
        QVERIFY(f.idle());
        QCOMPARE(f.run.calibrationPath(), file);
        f.run.saveCalibration(QString::fromStdString(folder.path("imatrix.gguf")));
        QVERIFY(f.idle());
        QVERIFY2(f.failed.isEmpty(), f.failed.isEmpty() ? "" : f.failed[0][0].value<Error>().text().c_str());
        f.run.discardCalibration();
        for (const char* name : {"c.safetensors", "imatrix.gguf"}) {
            f.run.loadCalibration(QString::fromStdString(folder.path(name)));
            QVERIFY(f.idle());
            QVERIFY(f.run.calibration() && f.run.calibration()->find(kQuery));
            f.run.discardCalibration();
        }
        QVERIFY(f.open(bundled("loupe-3m-outliers")));
        QL_TRY_COMPARE(f.session.model()->displayName(), std::string("loupe-3m-outliers"));
        f.run.loadCalibration(file);
        QVERIFY(f.idle());
        QCOMPARE(f.failed.size(), 1);
        const auto error = f.failed[0][0].value<Error>();
        QCOMPARE(error.code, ErrorCode::CalibrationMismatch);
        QVERIFY2(error.text().find('\n') == std::string::npos, error.text().c_str());
        QVERIFY(!f.run.calibration());
    }

    void evaluationsAndAttributionsArrive()
    {
        Fixture f;
        QVERIFY(f.open(bundled("loupe-3m")));
        f.setDefault("int3,group=128");
        QSignalSpy evaluated(&f.run, &RunController::evaluationReady), attributed(&f.run, &RunController::attributionReady);
        f.run.evaluate(f.fewTokens());
        QVERIFY(f.run.isRunning(Work::Evaluation));
        QVERIFY(f.idle());
        QVERIFY2(f.failed.isEmpty(), f.failed.isEmpty() ? "" : f.failed[0][0].value<Error>().text().c_str());
        QCOMPARE(evaluated.size(), 1);
        const auto evaluation = evaluated[0][0].value<Shared<Evaluation>>();
        QVERIFY(evaluation && evaluation->kl.value > 0 && evaluation->tokens > 0);
        QCOMPARE(f.run.evaluation(), evaluation);
        f.run.attribute(f.fewTokens(16, 2));
        QVERIFY(f.idle());
        QCOMPARE(attributed.size(), 1);
        const auto attribution = attributed[0][0].value<Shared<Attribution>>();
        QVERIFY(attribution);
        QCOMPARE(attribution->selfCheck, 0.0);
        QCOMPARE(int(attribution->entries.size()), 28);
        QSignalSpy cache(&f.run, &RunController::kvReady);
        f.run.requestKv(f.fewTokens());
        QVERIFY(f.idle());
        QCOMPARE(cache.size(), 1);
        QCOMPARE(int(cache[0][0].value<Shared<KvStudy>>()->layers.size()), 4);
    }

    void modelsThatCannotRunSayWhyInOneLine()
    {
        test::Folder folder;
        folder.write("model.safetensors", test::vectorsFile({{"backbone.layers.0.norm.weight", 4}}));
        folder.write("config.json", R"({"model_type": "mamba", "architectures": ["MambaForCausalLM"]})");
        Fixture f;
        QVERIFY(f.open(QString::fromStdString(folder.path())));
        QVERIFY(f.session.model() && !f.run.network());
        QVERIFY2(f.run.cannotRun().contains("mamba") && !f.run.cannotRun().contains('\n'), qPrintable(f.run.cannotRun()));
        f.run.calibrate(f.fewTokens(), {});
        f.run.evaluate(f.fewTokens());
        QCOMPARE(f.noted.size(), 2);
        QCOMPARE(f.jobs.pending(), 0);
    }

    void textsThatCannotBeReadGiveOneLine_data()
    {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<int64_t>("length");
        QTest::addColumn<int>("code");
        QTest::newRow("empty") << QByteArray() << int64_t(32) << int(ErrorCode::EmptyText);
        QTest::newRow("not UTF-8") << QByteArray("abc \xff\xfe def") << int64_t(32) << int(ErrorCode::InvalidUtf8);
        QTest::newRow("longer than the context") << QByteArray("words") << int64_t(100000) << int(ErrorCode::ContextTooLong);
    }
    void textsThatCannotBeReadGiveOneLine()
    {
        QFETCH(QByteArray, text);
        QFETCH(int64_t, length);
        QFETCH(int, code);
        test::Folder folder;
        Fixture f;
        QVERIFY(f.open(bundled("loupe-3m")));
        SequenceSettings settings = f.fewTokens(length);
        settings.path = folder.write("t.txt", text.toStdString());
        f.run.calibrate(settings, {});
        QVERIFY(f.idle());
        QCOMPARE(f.failed.size(), 1);
        QCOMPARE(int(f.failed[0][0].value<Error>().code), code);
        QVERIFY(!f.run.isRunning(Work::Calibration));
    }

    void aModelThatIsClosedTakesItsWorkAlong()
    {
        Fixture f;
        QVERIFY(f.open(bundled("loupe-3m")));
        QSignalSpy evaluated(&f.run, &RunController::evaluationReady);
        f.run.evaluate(f.fewTokens(128, 16));
        f.run.calibrate(f.fewTokens(128, 16), {});
        f.session.closeModel();
        QVERIFY(!f.run.isRunning(Work::Evaluation) && !f.run.isRunning(Work::Calibration));
        QVERIFY(!f.run.network());
        QTest::qWait(100);
        QVERIFY(f.idle());
        for (const auto& arguments : evaluated)
            QVERIFY(!arguments[0].value<Shared<Evaluation>>());
        QVERIFY(!f.run.calibration());
        QVERIFY(f.failed.isEmpty());
    }
};

QTEST_GUILESS_MAIN(TestRunController)
#include "tst_runcontroller.moc"
