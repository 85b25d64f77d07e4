// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Texts of activation and cache schemes, their errors, and what follows from them.
#include "core/quant/activationscheme.h"
#include "core/quant/kvscheme.h"
#include "core/quant/schemetable.h"
#include "support/testtensors.h"

#include <QTest>

using namespace ql;

namespace {

template <class AnyScheme>
void checkCanonical(const QString& given, const QString& canonical)
{
    const auto scheme = AnyScheme::parse(given.toStdString());
    QVERIFY2(scheme.ok(), scheme.ok() ? "" : scheme.error().message.c_str());
    QCOMPARE(QString::fromStdString(scheme->text()), canonical);
    const auto again = AnyScheme::parse(scheme->text());
    QVERIFY(again.ok() && *again == *scheme);
}

template <class AnyScheme>
void checkError(const QString& given, int code, const QString& mention)
{
    const auto scheme = AnyScheme::parse(given.toStdString());
    QVERIFY(!scheme.ok());
    const QString message = QString::fromStdString(scheme.error().message);
    QVERIFY2(int(scheme.error().code) == code, qPrintable(message));
    QVERIFY2(message.contains(mention), qPrintable(message));
    QVERIFY(!message.contains('\n'));
}

void canonicalColumns()
{
    QTest::addColumn<QString>("given");
    QTest::addColumn<QString>("canonical");
}

void canonicalRow(const char* name, const char* given, const char* canonical)
{
    QTest::newRow(name) << given << canonical;
}

void errorColumns()
{
    QTest::addColumn<QString>("given");
    QTest::addColumn<int>("code");
    QTest::addColumn<QString>("mention");
}

void errorRow(const char* name, const char* given, ErrorCode code, const char* mention)
{
    QTest::newRow(name) << given << int(code) << mention;
}

} // namespace

class TestRuntimeSchemes : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void activationText_data()
    {
        canonicalColumns();
        canonicalRow("format alone", "int8", "int8");
        canonicalRow("defaults vanish", "int8,sym,range=strict,token,clip=minmax", "int8");
        canonicalRow("the policy's example", "int8,token,asym", "int8,asym");
        canonicalRow("static per tensor", "int8,tensor,clip=percentile:99.9", "int8,tensor,clip=percentile:99.9");
        canonicalRow("order is fixed", "INT4, clip=average ,channel,asym", "int4,asym,channel,clip=average");
        canonicalRow("set by hand", "int8,tensor,clip=abs:3.5", "int8,tensor,clip=abs:3.5");
        canonicalRow("two limits", "int8,asym,tensor,clip=abs:-1.25:7", "int8,asym,tensor,clip=abs:-1.25:7");
        canonicalRow("one limit is both", "int8,asym,tensor,clip=abs:2", "int8,asym,tensor,clip=abs:-2:2");
        canonicalRow("no negative side", "int8,asym,tensor,clip=abs:0:2", "int8,asym,tensor,clip=abs:0:2");
        canonicalRow("the usual group size is written", "int4,group=128", "int4,group=128");
        canonicalRow("group", "nf4,group=64,clip=mse", "nf4,group=64,clip=mse");
        canonicalRow("all codes", "int8,range=full", "int8,range=full");
        canonicalRow("8-bit floats", "fp8-e4m3,tensor", "fp8-e4m3,tensor");
        canonicalRow("microscaling brings its group", "mxfp4", "mxfp4");
        canonicalRow("microscaling's own group", "mxfp4,group=32", "mxfp4");
    }
    void activationText()
    {
        QFETCH(QString, given);
        QFETCH(QString, canonical);
        checkCanonical<ActivationScheme>(given, canonical);
    }

    void activationErrors_data()
    {
        errorColumns();
        errorRow("empty", "", ErrorCode::SchemeSyntax, "int8,token");
        errorRow("empty option", "int8,,asym", ErrorCode::SchemeSyntax, "int8,,asym");
        errorRow("unknown format", "int9", ErrorCode::SchemeUnknownFormat, "'int9'");
        errorRow("unknown option", "int8,loud", ErrorCode::SchemeBadOption, "'loud'");
        errorRow("weights' rounding", "int8,round=nearest", ErrorCode::SchemeBadOption, "round=nearest");
        errorRow("token with a value", "int8,token=3", ErrorCode::SchemeBadOption, "token=3");
        errorRow("group without a number", "int8,group", ErrorCode::SchemeBadOption, "group=16");
        errorRow("group too small", "int8,group=8", ErrorCode::SchemeBadOption, "group=8");
        errorRow("group too large", "int8,group=4096", ErrorCode::SchemeBadOption, "group=4096");
        errorRow("unknown range", "int8,clip=best", ErrorCode::SchemeBadOption, "clip=percentile:P");
        errorRow("sigma is for weights", "int8,clip=sigma:3", ErrorCode::SchemeBadOption, "clip=sigma:3");
        errorRow("percentile without a number", "int8,clip=percentile", ErrorCode::SchemeBadOption, "percentile");
        errorRow("percentile of 50", "int8,clip=percentile:50", ErrorCode::SchemeBadOption, "percentile:50");
        errorRow("percentile of 101", "int8,clip=percentile:101", ErrorCode::SchemeBadOption, "percentile:101");
        errorRow("percentile not a number", "int8,clip=percentile:nan", ErrorCode::SchemeBadOption, "nan");
        errorRow("mse takes no number", "int8,clip=mse:1", ErrorCode::SchemeBadOption, "clip=mse:1");
        errorRow("limit of 0", "int8,tensor,clip=abs:0", ErrorCode::SchemeBadOption, "abs:0");
        errorRow("infinite limit", "int8,tensor,clip=abs:inf", ErrorCode::SchemeBadOption, "abs:inf");
        errorRow("a dangling colon", "int8,tensor,clip=abs:", ErrorCode::SchemeBadOption, "abs:");
        errorRow("three limits", "int8,asym,tensor,clip=abs:-1:0:1", ErrorCode::SchemeBadOption, "abs:LO:HI");
        errorRow("limits that leave out 0", "int8,asym,tensor,clip=abs:1:2", ErrorCode::SchemeBadOption, "LO <= 0");
        errorRow("limits the wrong way round", "int8,asym,tensor,clip=abs:1:-2", ErrorCode::SchemeBadOption, "LO <= 0");
        errorRow("both limits 0", "int8,asym,tensor,clip=abs:0:0", ErrorCode::SchemeBadOption, "not both 0");
        errorRow("symmetric with two limits", "int8,tensor,clip=abs:-1:2", ErrorCode::SchemeConflict, "asym");
        errorRow("said twice", "int8,token,tensor", ErrorCode::SchemeConflict, "tensor");
        errorRow("kept floats", "f16", ErrorCode::SchemeConflict, "keep");
        errorRow("GGML", "q8_0", ErrorCode::SchemeConflict, "storage layout");
        errorRow("NVFP4 has a factor", "nvfp4", ErrorCode::SchemeConflict, "mxfp4");
        errorRow("codebooks have no zero point", "nf4,asym", ErrorCode::SchemeConflict, "zero points");
        errorRow("full range without symmetry", "int8,asym,range=full", ErrorCode::SchemeConflict, "range=full");
        errorRow("a dynamic average", "int8,token,clip=average", ErrorCode::SchemeConflict, "tensor or channel");
        errorRow("two limits of a dynamic range", "int8,asym,clip=abs:-1:2", ErrorCode::SchemeConflict,
                 "one magnitude");
        errorRow("KL of a group", "int8,group=64,clip=kl", ErrorCode::SchemeConflict, "histogram");
        errorRow("microscaling per token", "mxfp4,token", ErrorCode::SchemeConflict, "fixes its groups");
        errorRow("microscaling clipped", "mxfp4,clip=mse", ErrorCode::SchemeConflict, "fixes its limits");
    }
    void activationErrors()
    {
        QFETCH(QString, given);
        QFETCH(int, code);
        QFETCH(QString, mention);
        checkError<ActivationScheme>(given, code, mention);
    }

    void everyValidActivationSchemeReadsBack()
    {
        test::Random random(11);
        int valid = 0;
        for (int i = 0; i < 20000; ++i) {
            ActivationScheme scheme;
            scheme.format = Format(random.below(schemeTable().size()));
            scheme.symmetry = Symmetry(random.below(2));
            scheme.codes = CodeRange(random.below(2));
            scheme.granularity = ActivationScheme::Granularity(random.below(4));
            if (scheme.granularity == ActivationScheme::Granularity::Group)
                scheme.groupSize = scheme.format == Format::MXFP4 ? 32 : int(16 + random.below(1009));
            scheme.range = ActivationScheme::Range(random.below(6));
            if (scheme.range == ActivationScheme::Range::Percentile)
                scheme.rangeParameter = 100 - 50 * random.uniform() * 0.999;
            if (scheme.range == ActivationScheme::Range::Absolute)
                scheme.rangeParameter = 1e-3 + random.uniform();
            if (scheme.range == ActivationScheme::Range::Absolute && scheme.symmetry == Symmetry::Asymmetric)
                scheme.rangeLow = -random.uniform();
            if (!scheme.check())
                continue;
            ++valid;
            const auto back = ActivationScheme::parse(scheme.text());
            QVERIFY2(back.ok(), scheme.text().c_str());
            // The size of groups means nothing elsewhere.
            scheme.groupSize = back->groupSize;
            QVERIFY2(*back == scheme, scheme.text().c_str());
            QVERIFY2(scheme.groupScheme().check().ok(), scheme.text().c_str());
        }
        QVERIFY(valid > 2000);
    }

    void cacheText_data()
    {
        canonicalColumns();
        canonicalRow("format alone", "int8", "int8");
        canonicalRow("the policy's example", "int8,token", "int8");
        canonicalRow("defaults vanish", "int8,asym,keys=token,segment=32,recent=0,first=0", "int8");
        canonicalRow("KIVI", "int2,keys=channel,group=32,recent=128", "int2,keys=channel,group=32,recent=128");
        canonicalRow("the header's example", "int4,keys=channel,segment=32,recent=128,first=4",
                     "int4,keys=channel,recent=128,first=4");
        canonicalRow("values of their own", "int8,values=int4", "int8,values=int4");
        canonicalRow("values that repeat the keys", "int4,values=int4", "int4");
        canonicalRow("symmetric", "INT4, sym", "int4,sym");
        canonicalRow("codebooks need no word on symmetry", "nf4,sym", "nf4");
        canonicalRow("one of both has zero points", "nf4,values=int4,sym", "nf4,values=int4,sym");
        canonicalRow("8-bit floats", "fp8-e4m3,segment=1", "fp8-e4m3,segment=1");
    }
    void cacheText()
    {
        QFETCH(QString, given);
        QFETCH(QString, canonical);
        checkCanonical<KvScheme>(given, canonical);
    }

    void cacheErrors_data()
    {
        errorColumns();
        errorRow("empty", "", ErrorCode::SchemeSyntax, "int8,token");
        errorRow("unknown format", "kv8", ErrorCode::SchemeUnknownFormat, "'kv8'");
        errorRow("unknown format of values", "int8,values=int9", ErrorCode::SchemeUnknownFormat, "'int9'");
        errorRow("unknown option", "int8,channel", ErrorCode::SchemeBadOption, "'channel'");
        errorRow("unknown axis", "int8,keys=head", ErrorCode::SchemeBadOption, "keys=channel");
        errorRow("segment of 0", "int8,segment=0", ErrorCode::SchemeBadOption, "segment=0");
        errorRow("segment missing", "int8,segment=", ErrorCode::SchemeBadOption, "segment=");
        errorRow("negative window", "int8,recent=-1", ErrorCode::SchemeBadOption, "recent=-1");
        errorRow("window overflows", "int8,recent=99999999999", ErrorCode::SchemeBadOption, "whole number");
        errorRow("fraction", "int8,first=1.5", ErrorCode::SchemeBadOption, "whole number");
        errorRow("group of 0", "int8,group=0", ErrorCode::SchemeBadOption, "group=0");
        errorRow("group too small", "int8,group=4", ErrorCode::SchemeBadOption, "8 to 1024");
        errorRow("axis said twice", "int8,token,keys=channel", ErrorCode::SchemeConflict, "keys=channel");
        errorRow("kept floats", "f16", ErrorCode::SchemeConflict, "keep");
        errorRow("kept values", "int8,values=bf16", ErrorCode::SchemeConflict, "values=bf16");
        errorRow("GGML", "q8_0", ErrorCode::SchemeConflict, "storage layout");
        errorRow("microscaling", "mxfp4", ErrorCode::SchemeConflict, "storage layout");
        errorRow("zero points of a codebook", "nf4,asym", ErrorCode::SchemeConflict, "zero points");
    }
    void cacheErrors()
    {
        QFETCH(QString, given);
        QFETCH(int, code);
        QFETCH(QString, mention);
        checkError<KvScheme>(given, code, mention);
    }

    void whatIsOldEnoughIsQuantized_data()
    {
        QTest::addColumn<QString>("scheme");
        QTest::addColumn<int>("length");
        QTest::addColumn<int>("end");
        const auto row = [](const char* name, const char* scheme, int length, int end) {
            QTest::newRow(name) << scheme << length << end;
        };
        row("nothing cached", "int8", 0, 0);
        row("an unfinished segment waits", "int8", 31, 0);
        row("a whole segment", "int8", 32, 32);
        row("tokens one by one", "int8,segment=1", 7, 7);
        row("the window is kept", "int8,recent=128", 159, 0);
        row("a segment left the window", "int8,recent=128", 160, 32);
        row("first tokens are kept", "int8,first=4", 35, 4);
        row("segments count from there", "int8,first=4", 36, 36);
        row("all at once", "int8,segment=16,recent=10,first=2", 60, 50);
        row("shorter than what is kept", "int8,first=100", 50, 100);
    }
    void whatIsOldEnoughIsQuantized()
    {
        QFETCH(QString, scheme);
        QFETCH(int, length);
        QTEST(int(KvScheme::parse(scheme.toStdString()).value().quantizedEnd(length)), "end");
    }

    void bitsCountScalesAndZeroPoints()
    {
        const auto bits = [](const char* text) { return KvScheme::parse(text).value().bitsPerElement(128); };
        QCOMPARE(bits("int8,sym"), 8 + 16.0 / 128);
        QCOMPARE(bits("int8"), 8 + 24.0 / 128);
        QCOMPARE(bits("nf4,group=64"), 4 + 16.0 / 64);
        QCOMPARE(bits("int4,keys=channel"), (4 + 20.0 / 32 + 4 + 20.0 / 128) / 2);
        QCOMPARE(bits("int8,sym,values=int4"), 6 + 16.0 / 128);
    }
};

QTEST_GUILESS_MAIN(TestRuntimeSchemes)
#include "tst_runtimeschemes.moc"
